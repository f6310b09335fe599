-- profiles.metrics: those that these keys and ids name, with what a profile has to fit
SELECT uuid AS id, key::text, unit, kind
FROM metric
WHERE provider_id = $1 AND (key::text = ANY ($2::text[]) OR uuid = ANY ($3::uuid[]))
