-- verify.due: whether no run whose name begins with $1 began within the last $2 seconds
SELECT NOT EXISTS (
    SELECT FROM verification
    WHERE starts_with(scope, $1) AND started_at > clock_timestamp() - make_interval(secs => $2))
