-- rollups.pending: changes that the rollups have yet to follow, how many hours they lie in, and since when the oldest is
SELECT count(*) AS changes, count(DISTINCT hour) AS hours, min(changed_at) AS since FROM reading_change
