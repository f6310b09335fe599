-- analytics.made: by what the views are made from now on ($1)
WITH others AS (DELETE FROM analytics_version WHERE fingerprint <> $1)
INSERT INTO analytics_version (fingerprint) VALUES ($1)
ON CONFLICT (fingerprint) DO UPDATE SET made_at = now()
