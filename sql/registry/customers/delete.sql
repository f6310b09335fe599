-- customers.delete: refused by foreign keys while anything refers to it
DELETE FROM customer WHERE customer_id = $1
