-- metrics.quarantine: how many readings are in quarantine, and how many of the provider that has most there
SELECT coalesce(sum(readings), 0)::bigint, coalesce(max(readings), 0)::bigint
FROM (SELECT sum(readings) AS readings FROM quarantine_size GROUP BY provider_id) AS provider
