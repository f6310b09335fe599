-- usage.metrics: the metrics named, in the order named
SELECT DISTINCT ON (n.position) m.metric_id, m.key::text, m.unit, m.kind, m.scale::integer, m.expected_interval
FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY AS n (key, uuid, position)
JOIN metric m ON m.provider_id = $1 AND (m.key::text = n.key OR m.uuid = n.uuid)
ORDER BY n.position
