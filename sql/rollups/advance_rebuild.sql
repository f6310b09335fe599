-- rollups.advance_rebuild: the rebuild $1 is done up to $2, $3 more changes
UPDATE rollup_rebuild
SET done_to = greatest(done_to, $2), changed = changed + $3,
    finished_at = CASE WHEN $2 >= to_ts THEN coalesce(finished_at, clock_timestamp()) END
WHERE rebuild_id = $1
