-- lookup.profiles: the numbers of those that these keys and ids name
SELECT profile_id, uuid AS id, key::text AS key
FROM profile
WHERE provider_id = $1 AND (key::text = ANY ($2::text[]) OR uuid = ANY ($3::uuid[]))
