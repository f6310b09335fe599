-- doctor.rollups: changes that the rollups have yet to follow, and the age of the oldest in seconds
SELECT coalesce(sum(coalesce(cardinality(channels), 1)), 0)::bigint AS pending, extract(epoch FROM clock_timestamp() - min(changed_at))::double precision AS age
FROM reading_change
