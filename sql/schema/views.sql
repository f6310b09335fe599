-- Views that can be redefined: re-applied at every start of a new version.

CREATE OR REPLACE VIEW customer_billing AS
SELECT c.customer_id, c.provider_id, customer_time_zone(c.customer_id) AS time_zone,
       customer_billing_anchor(c.customer_id) AS billing_anchor
FROM customer c;
COMMENT ON VIEW customer_billing IS 'Each customer with its billing time zone and anchor, inherited ones included.';
COMMENT ON COLUMN customer_billing.customer_id IS 'Number of the customer.';
COMMENT ON COLUMN customer_billing.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN customer_billing.time_zone IS 'Its billing time zone now: its own, the nearest above it, or the provider''s.';
COMMENT ON COLUMN customer_billing.billing_anchor IS 'The day of the month on which its billing months begin.';
