-- enroll.find: a token ($1) that is good, used up or not, with what is enrolled under a serial number ($2), if anything is
SELECT t.token_id, t.provider_id, t.secret_hash, t.customer_id, t.group_id, t.approval, t.uses >= t.uses_allowed AS used_up,
       e.uuid AS id, coalesce(e.token_id = t.token_id AND e.state <> 'refused', false) AS may_repeat, e.state, e.proves, e.model, e.firmware,
       k.key_id, k.uuid AS key_uuid, k.lookup, k.secret_hash AS key_hash,
       CASE WHEN k.previous_until > now() THEN k.previous_hash END AS previous_hash,
       coalesce(k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()), false) AS key_good,
       k.last_used_at IS NOT NULL AS key_used
FROM enrollment_token t
LEFT JOIN enrollment e ON e.provider_id = t.provider_id AND e.serial = $2
LEFT JOIN api_key k USING (key_id)
WHERE t.lookup = $1 AND t.revoked_at IS NULL AND t.expires_at > now()
