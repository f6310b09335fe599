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

CREATE OR REPLACE VIEW accounting_daily AS
SELECT a.provider_id, p.key::text AS provider, a.day, k.uuid AS key_id, k.name AS key_name,
       sum(a.requests)::bigint AS requests, sum(a.received)::bigint AS received, sum(a.stored)::bigint AS stored,
       sum(a.duplicates)::bigint AS duplicates, sum(a.conflicts)::bigint AS conflicts,
       sum(a.quarantined)::bigint AS quarantined, sum(a.rejected)::bigint AS rejected, sum(a.kept)::bigint AS kept,
       sum(a.replayed_stored)::bigint AS replayed_stored, sum(a.replayed_duplicates)::bigint AS replayed_duplicates,
       sum(a.expired)::bigint AS expired, sum(a.deleted)::bigint AS deleted
FROM accounting a
JOIN provider p USING (provider_id)
LEFT JOIN api_key k USING (key_id)
GROUP BY a.provider_id, p.key, a.day, a.key_id, k.uuid, k.name;
COMMENT ON VIEW accounting_daily IS 'Readings received, by UTC day and key: received is stored + duplicates + conflicts + quarantined + rejected. What becomes of readings in quarantine later is counted on the day on which it does.';
COMMENT ON COLUMN accounting_daily.provider_id IS 'The provider.';
COMMENT ON COLUMN accounting_daily.provider IS 'Key of the provider.';
COMMENT ON COLUMN accounting_daily.day IS 'The UTC day.';
COMMENT ON COLUMN accounting_daily.key_id IS 'Public id of the API key that sent them; null for none.';
COMMENT ON COLUMN accounting_daily.key_name IS 'Name of that key; null for none.';
COMMENT ON COLUMN accounting_daily.requests IS 'Requests that they came in.';
COMMENT ON COLUMN accounting_daily.received IS 'Readings received.';
COMMENT ON COLUMN accounting_daily.stored IS 'New, and committed.';
COMMENT ON COLUMN accounting_daily.duplicates IS 'There already with the same value.';
COMMENT ON COLUMN accounting_daily.conflicts IS 'There already with another value.';
COMMENT ON COLUMN accounting_daily.quarantined IS 'In quarantine, also those that were there already.';
COMMENT ON COLUMN accounting_daily.rejected IS 'Not kept.';
COMMENT ON COLUMN accounting_daily.kept IS 'Of the quarantined, those that were not there already.';
COMMENT ON COLUMN accounting_daily.replayed_stored IS 'Left the quarantine on this day as stored readings.';
COMMENT ON COLUMN accounting_daily.replayed_duplicates IS 'Left the quarantine on this day, for they were stored meanwhile with the same value.';
COMMENT ON COLUMN accounting_daily.expired IS 'Left the quarantine on this day, for they had been there too long.';
COMMENT ON COLUMN accounting_daily.deleted IS 'Left the quarantine on this day, for somebody deleted them.';
