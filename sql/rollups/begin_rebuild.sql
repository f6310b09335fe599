-- rollups.begin_rebuild
INSERT INTO rollup_rebuild (from_ts, to_ts, done_to) VALUES ($1, $2, $1)
RETURNING rebuild_id AS id, from_ts AS "from", to_ts AS "to", done_to, changed
