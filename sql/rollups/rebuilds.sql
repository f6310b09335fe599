-- rollups.rebuilds: those that are not done, oldest first
SELECT rebuild_id AS id, from_ts AS "from", to_ts AS "to", done_to, changed
FROM rollup_rebuild
WHERE finished_at IS NULL
ORDER BY rebuild_id
