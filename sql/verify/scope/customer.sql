-- verify.scope.customer: the customers of a key, of one provider ($2) or any, each with its subtree and their groups
SELECT provider_id, array(SELECT customer_subtree(c.customer_id)) AS customers,
       array(SELECT group_id FROM device_group g WHERE g.customer_id IN (SELECT customer_subtree(c.customer_id))) AS groups
FROM customer c
WHERE key::text = $1 AND ($2::integer IS NULL OR provider_id = $2)
