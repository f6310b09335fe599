-- rollups.pending: changes that the rollups have yet to follow, a channel's or a whole hour's, how many hours they lie in,
-- and since when the oldest is
SELECT coalesce(sum(coalesce(cardinality(channels), 1)), 0)::bigint AS changes, count(DISTINCT hour) AS hours,
       min(changed_at) AS since
FROM reading_change
