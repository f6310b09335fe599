-- rollups.rows.tables: what is added to {name}, and its rows as they should be and as they are where it was touched, in a
-- transaction
CREATE TEMPORARY TABLE new_{name} (LIKE {name}) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE fresh_{name} (LIKE {name}) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE stored_{name} (LIKE {name}) ON COMMIT DELETE ROWS;
