-- lookup.customers: the numbers of those that these keys and ids name
SELECT customer_id, uuid AS id, key::text AS key
FROM customer
WHERE provider_id = $1 AND (key::text = ANY ($2::text[]) OR uuid = ANY ($3::uuid[]))
