-- usage.registered: how many devices each series has from $7 to $8, from their assignments, which never overlap: a
-- change is told once for a series and instant, and once for a stretch between two of the instants $9 (which begin
-- with $7): when the first change came, the most devices from then on, and how many there are after the last one. The
-- words in braces stand for constants of the program, never for anything that a caller sent.
WITH change AS (
    SELECT {label} AS label, c.at, sum(c.change) AS change
    FROM assignment a
    {join}
    -- What was there before the range comes with its start, so that nobody has to be counted twice.
    CROSS JOIN LATERAL (VALUES (greatest(lower(a.during), $7::timestamptz), 1), (upper(a.during), -1)) AS c (at, change)
    WHERE a.provider_id = $1
      AND ($4::integer[] IS NULL OR a.customer_id = ANY ($4))
      AND ($5::integer IS NULL OR a.group_id = $5 OR ($5 = 0 AND a.group_id IS NULL))
      AND ($6::integer[] IS NULL OR a.device_id = ANY ($6))
      AND a.during && tstzrange($7, $8)
      AND c.at < $8
    GROUP BY 1, 2
    -- A device that moves within a series leaves and comes at one instant.
    HAVING sum(c.change) <> 0),
level AS (
    SELECT label, at, (sum(change) OVER (PARTITION BY label ORDER BY at))::bigint AS devices FROM change)
SELECT label, min(at) AS since, max(devices) AS most, last(devices, at) AS after
FROM level
GROUP BY label, width_bucket(at, $9::timestamptz[])
ORDER BY label, since
