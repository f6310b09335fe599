SELECT {expressions}, m.key::text AS metric, m.unit, m.kind, m.scale, {time} AS period, r.count, r.increment_sum,
       r.value_sum, r.value_min, r.value_max, r.first_ts, r.first_value, r.last_ts, r.last_value
FROM {source} AS r
{joins}
JOIN provider AS p ON p.provider_id = {provider}
JOIN metric AS m ON m.metric_id = r.metric_id AND m.provider_id = p.provider_id
WHERE p.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider)){conditions}
