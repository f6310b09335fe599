-- rollups.rebuilt: where {name} is recomputed before it is compared with what is kept
CREATE TEMPORARY TABLE IF NOT EXISTS rebuilt_{name} (LIKE {name}) ON COMMIT DELETE ROWS
