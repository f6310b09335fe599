-- rollups.last_verification: the newest run that came to its end
SELECT started_at, finished_at, scope, from_ts AS "from", to_ts AS "to", compared, differences, left_out
FROM verification
WHERE finished_at IS NOT NULL
ORDER BY started_at DESC, verification_id DESC
LIMIT 1
