-- ingest.assignments: who owned the devices ($1) from the first to the last instant of a batch ($2, $3), and in which
-- time zone each owner is billed
WITH owned AS (
    SELECT device_id, customer_id, coalesce(group_id, 0) AS group_id, lower(during) AS since, upper(during) AS until
    FROM assignment
    WHERE device_id = ANY ($1::integer[]) AND during && tstzrange($2, $3, '[]')),
billing AS MATERIALIZED (
    SELECT customer_id, customer_time_zone(customer_id) AS time_zone
    FROM (SELECT DISTINCT customer_id FROM owned) AS owner)
SELECT device_id, customer_id, group_id, since, until, time_zone
FROM owned JOIN billing USING (customer_id)
