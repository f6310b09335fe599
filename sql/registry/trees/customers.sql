-- trees.customers: the customer $2 and all below it; without $2 all of the provider $1
SELECT c.customer_id, c.parent_id, c.uuid AS id, c.key::text, c.name, c.time_zone::text
FROM customer c
WHERE c.provider_id = $1 AND ($2::integer IS NULL OR c.customer_id IN (SELECT customer_subtree($2)))
ORDER BY c.key::text
