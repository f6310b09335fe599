-- keys.parts: for which part of its provider each of the keys $1 is
SELECT k.key_id, k.customer_id, k.group_id, k.device_id, k.applicant::text, c.uuid AS customer_uuid,
       CASE WHEN k.customer_id IS NOT NULL THEN ARRAY(SELECT customer_subtree(k.customer_id)) END AS customers
FROM api_key k
LEFT JOIN customer c ON c.customer_id = k.customer_id
WHERE k.key_id = ANY ($1::integer[])
