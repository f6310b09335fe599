-- rollups.few.tables: the rows of {name} as they should be and as they are, where it was touched in a transaction
CREATE TEMPORARY TABLE fresh_{name} (LIKE {name}) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE stored_{name} (LIKE {name}) ON COMMIT DELETE ROWS;
