-- Views of the schema analytics: who meters what for whom.

CREATE OR REPLACE VIEW analytics.providers WITH (security_barrier) AS
SELECT p.key::text AS provider, p.name, p.time_zone::text AS time_zone, p.uuid AS id, p.created_at
FROM provider AS p
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.customers WITH (security_barrier) AS
SELECT p.key::text AS provider, c.key::text AS customer, c.name, above.key::text AS parent,
       (SELECT k.time_zone FROM analytics.calendars(c.customer_id) AS k WHERE k.since <= now() AND now() < k.until)
           AS time_zone,
       ({anchor})::integer AS billing_month_anchor, c.uuid AS id, c.created_at
FROM customer AS c
JOIN provider AS p ON p.provider_id = c.provider_id
LEFT JOIN customer AS above ON above.customer_id = c.parent_id
WHERE c.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.customer_subtrees WITH (security_barrier) AS
SELECT p.key::text AS provider, c.key::text AS customer, s.key::text AS sub_customer, b.depth
FROM customer AS c
JOIN provider AS p ON p.provider_id = c.provider_id
CROSS JOIN LATERAL (
    WITH RECURSIVE below (customer_id, depth) AS (
        SELECT c.customer_id, 0
        UNION ALL
        SELECT n.customer_id, below.depth + 1 FROM below JOIN customer AS n ON n.parent_id = below.customer_id)
    SELECT customer_id, depth FROM below) AS b
JOIN customer AS s ON s.customer_id = b.customer_id
WHERE c.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.calendars WITH (security_barrier) AS
SELECT p.key::text AS provider, c.key::text AS customer, k.first_day, k.since, k.until, k.time_zone
FROM customer AS c
JOIN provider AS p ON p.provider_id = c.provider_id
CROSS JOIN LATERAL analytics.calendars(c.customer_id) AS k
WHERE c.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.device_groups WITH (security_barrier) AS
SELECT p.key::text AS provider, c.key::text AS customer, g.key::text AS device_group, g.name, g.kind, g.uuid AS id,
       g.created_at
FROM device_group AS g
JOIN customer AS c ON c.customer_id = g.customer_id
JOIN provider AS p ON p.provider_id = c.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.devices WITH (security_barrier) AS
SELECT p.key::text AS provider, d.key::text AS device, d.name, d.kind, c.key::text AS customer,
       g.key::text AS device_group, d.retired_at, d.uuid AS id, d.created_at
FROM device AS d
JOIN provider AS p ON p.provider_id = d.provider_id
LEFT JOIN assignment AS a ON a.device_id = d.device_id AND a.during @> now()
LEFT JOIN customer AS c ON c.customer_id = a.customer_id
LEFT JOIN device_group AS g ON g.group_id = a.group_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.assignments WITH (security_barrier) AS
SELECT p.key::text AS provider, d.key::text AS device, c.key::text AS customer, g.key::text AS device_group,
       lower(a.during) AS since, upper(a.during) AS until
FROM assignment AS a
JOIN device AS d ON d.device_id = a.device_id
JOIN customer AS c ON c.customer_id = a.customer_id
JOIN provider AS p ON p.provider_id = c.provider_id
LEFT JOIN device_group AS g ON g.group_id = a.group_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.metrics WITH (security_barrier) AS
SELECT p.key::text AS provider, m.key::text AS metric, m.name, m.unit, m.kind, m.scale::integer AS scale,
       make_interval(secs => m.expected_interval) AS expected_interval, m.uuid AS id, m.created_at
FROM metric AS m
JOIN provider AS p ON p.provider_id = m.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.channels WITH (security_barrier) AS
SELECT p.key::text AS provider, d.key::text AS device, m.key::text AS metric, ch.dimensions, ch.first_ts AS first_reading
FROM channel AS ch
JOIN device AS d ON d.device_id = ch.device_id
JOIN metric AS m ON m.metric_id = ch.metric_id
JOIN provider AS p ON p.provider_id = d.provider_id AND p.provider_id = m.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));
