-- moves.end_or_extend: the assignment that reaches $4 ends there, or goes on when the owner stays the same
WITH reaching AS (
    SELECT a.assignment_id,
           CASE WHEN (a.customer_id, a.group_id) IS DISTINCT FROM (m.customer_id, m.group_id) THEN $4 END AS ends_at
    FROM unnest($1::integer[], $2::integer[], $3::integer[]) AS m (device_id, customer_id, group_id)
    JOIN assignment a ON a.device_id = m.device_id AND (upper_inf(a.during) OR upper(a.during) >= $4))
UPDATE assignment a
SET during = tstzrange(lower(a.during), reaching.ends_at)
FROM reaching
WHERE a.assignment_id = reaching.assignment_id AND upper(a.during) IS DISTINCT FROM reaching.ends_at
