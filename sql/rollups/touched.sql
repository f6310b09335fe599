-- rollups.touched: the buckets of {name} to be recomputed in a transaction
CREATE TEMPORARY TABLE touched_{name} (
    bucket timestamptz NOT NULL,
    {columns},
    PRIMARY KEY (bucket, {keys})
) ON COMMIT DELETE ROWS;
