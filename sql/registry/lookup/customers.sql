-- lookup.customers: the numbers of those among the ones that are seen ($2) that these keys and ids name
SELECT customer_id, uuid AS id, key::text AS key
FROM customer
WHERE provider_id = $1
  AND ($2::integer[] IS NULL OR customer_id = ANY ($2))
  AND (key::text = ANY ($3::text[]) OR uuid = ANY ($4::uuid[]))
