-- Views that can be redefined: re-applied at every start of a new version.

CREATE OR REPLACE VIEW customer_billing AS
SELECT c.customer_id, c.provider_id, customer_time_zone(c.customer_id) AS time_zone
FROM customer c;
COMMENT ON VIEW customer_billing IS 'Each customer with its billing time zone, inherited ones included.';
COMMENT ON COLUMN customer_billing.customer_id IS 'Number of the customer.';
COMMENT ON COLUMN customer_billing.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN customer_billing.time_zone IS 'Its billing time zone: its own, the nearest above it, or the provider''s.';
