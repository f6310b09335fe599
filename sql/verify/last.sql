-- verify.last: what the last run whose name begins with $1 found, and when in seconds since 1970
SELECT differences, extract(epoch FROM finished_at)::double precision
FROM verification
WHERE starts_with(scope, $1) AND finished_at IS NOT NULL
ORDER BY started_at DESC, verification_id DESC
LIMIT 1
