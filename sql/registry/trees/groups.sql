-- trees.groups: those of the customer $2 and of all below it; without $2 all of the provider $1
SELECT g.group_id, g.customer_id, g.uuid AS id, g.key::text, g.name, g.kind
FROM device_group g
WHERE g.provider_id = $1 AND ($2::integer IS NULL OR g.customer_id IN (SELECT customer_subtree($2)))
ORDER BY g.key::text
