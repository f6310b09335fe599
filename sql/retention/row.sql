-- retention.row: what of $1 is kept, and from where on it may be recomputed from
SELECT since, dropped_before FROM kept_from WHERE relation = $1
