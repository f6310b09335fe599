-- bench.months: the days of a rollup added up to months, from the day $1 to before the day $2
INSERT INTO {table} (bucket, billing_month, {keys}, {figures})
SELECT bucket, billing_month, {keys}, {figures}
FROM (
{select}
) AS months
WHERE bucket >= $1::date::timestamptz AND bucket < $2::date::timestamptz
ORDER BY {keys}, bucket
