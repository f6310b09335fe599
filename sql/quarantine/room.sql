-- quarantine.room: how many readings of these providers are in quarantine
SELECT provider_id, sum(readings)::bigint FROM quarantine_size WHERE provider_id = ANY ($1::integer[]) GROUP BY provider_id
