-- profiles.acknowledge: the device $2 has version $4 of the profile $3, if there is or was such a one. No row where there
-- is not.
WITH had AS (
    SELECT p.uuid, p.key::text, v.version
    FROM profile p
    JOIN profile_version v USING (profile_id)
    WHERE p.provider_id = $1 AND p.key::text = $3 AND v.version = $4)
INSERT INTO device_report AS r (device_id, provider_id, profile_uuid, profile, version, acknowledged_at)
SELECT $2, $1, uuid, key, version, now() FROM had
ON CONFLICT (device_id) DO UPDATE
SET profile_uuid = excluded.profile_uuid,
    profile = excluded.profile,
    version = excluded.version,
    acknowledged_at = CASE WHEN (r.profile_uuid, r.version) IS DISTINCT FROM (excluded.profile_uuid, excluded.version)
                           THEN excluded.acknowledged_at ELSE r.acknowledged_at END
RETURNING device_id
