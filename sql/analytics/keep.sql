-- analytics.keep: what the role $1 sees: the provider $2, or all. A row of the same name is of a role that is gone.
INSERT INTO analyst (role_name, provider_id) VALUES ($1::name, $2)
ON CONFLICT (role_name) DO UPDATE SET provider_id = excluded.provider_id, created_at = now()
