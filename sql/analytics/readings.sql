-- Views of the schema analytics: what came, and what became of it.

-- A reading carries the owner that its device was assigned to: through the assignment, those of a customer are found by
-- the channels of its devices.
CREATE OR REPLACE VIEW analytics.readings WITH (security_barrier) AS
SELECT p.key::text AS provider, c.key::text AS customer, g.key::text AS device_group, d.key::text AS device,
       m.key::text AS metric, m.unit, ch.dimensions, r.ts AS at, r.billing_day AS day, r.value * ({unit}) AS value,
       CASE WHEN m.kind <> 'gauge' THEN r.increment * ({unit}) END AS increment, r.recorded_at, r.event_id
FROM reading AS r
JOIN channel AS ch ON ch.channel_id = r.channel_id
JOIN device AS d ON d.device_id = ch.device_id
JOIN metric AS m ON m.metric_id = ch.metric_id
JOIN customer AS c ON c.customer_id = r.customer_id
JOIN assignment AS a ON a.device_id = d.device_id AND a.customer_id = c.customer_id AND r.ts <@ a.during
JOIN provider AS p ON p.provider_id = c.provider_id AND p.provider_id = m.provider_id
LEFT JOIN device_group AS g ON g.group_id = r.group_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.quarantine WITH (security_barrier) AS
SELECT p.key::text AS provider, q.device, q.metric, q.dimensions, q.ts AS at, q.value, q.event_id, q.code, q.detail,
       q.recorded_at
FROM quarantine AS q
JOIN provider AS p ON p.provider_id = q.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.reviews WITH (security_barrier) AS
SELECT p.key::text AS provider, d.key::text AS device, m.key::text AS metric, m.unit, ch.dimensions, v.ts AS at, v.kind,
       v.state, v.value * ({unit}) AS value, v.trusted_ts AS trusted_at, v.trusted_value * ({unit}) AS trusted_value,
       v.accepting * ({unit}) AS accepting, v.increment * ({unit}) AS increment, v.note, v.decided_at, v.created_at,
       v.uuid AS id
FROM review AS v
JOIN channel AS ch ON ch.channel_id = v.channel_id
JOIN device AS d ON d.device_id = ch.device_id
JOIN metric AS m ON m.metric_id = ch.metric_id
JOIN provider AS p ON p.provider_id = v.provider_id AND p.provider_id = m.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.replacements WITH (security_barrier) AS
SELECT p.key::text AS provider, d.key::text AS device, m.key::text AS metric, m.unit, ch.dimensions, x.at,
       x.final_value * ({unit}) AS final_value, x.initial_value * ({unit}) AS initial_value, x.note, x.created_at,
       x.uuid AS id
FROM replacement AS x
JOIN channel AS ch ON ch.channel_id = x.channel_id
JOIN device AS d ON d.device_id = ch.device_id
JOIN metric AS m ON m.metric_id = ch.metric_id
JOIN provider AS p ON p.provider_id = d.provider_id AND p.provider_id = m.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));

CREATE OR REPLACE VIEW analytics.accounting WITH (security_barrier) AS
SELECT a.provider, a.day, a.key_id, a.key_name, a.requests, a.received, a.stored, a.duplicates, a.conflicts,
       a.quarantined, a.rejected, a.kept, a.replayed_stored, a.replayed_duplicates, a.expired, a.deleted
FROM accounting_daily AS a
WHERE a.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider));
