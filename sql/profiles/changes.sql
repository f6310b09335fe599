-- profiles.changes: what was counted of changes of these providers' configurations
SELECT provider_id, number FROM config_change WHERE provider_id = ANY ($1::integer[])
