-- accounting.minutes: what a provider ($1) received in each of the last so many minutes ($2), the one that is not over included
SELECT n.minute, coalesce(sum(a.received), 0)::bigint AS received, coalesce(sum(a.stored), 0)::bigint AS stored,
       coalesce(sum(a.duplicates), 0)::bigint AS duplicates, coalesce(sum(a.conflicts), 0)::bigint AS conflicts,
       coalesce(sum(a.quarantined), 0)::bigint AS quarantined, coalesce(sum(a.rejected), 0)::bigint AS rejected
FROM (SELECT date_trunc('minute', statement_timestamp()) AS this) AS t
CROSS JOIN LATERAL generate_series(t.this - ($2::integer - 1) * interval '1 minute', t.this, interval '1 minute') AS n (minute)
LEFT JOIN accounting_minute a ON a.provider_id = $1 AND a.minute = n.minute
GROUP BY n.minute
ORDER BY n.minute
