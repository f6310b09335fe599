-- Billing calendars: on which day a customer's billing months begin, and since when its days are those of a time zone.

ALTER TABLE customer ADD COLUMN billing_anchor smallint
    CONSTRAINT customer_billing_anchor_range CHECK (billing_anchor BETWEEN 1 AND 28);
COMMENT ON COLUMN customer.billing_anchor IS 'Day of the month on which billing months begin; null inherits the parent''s, and is 1 at the top.';
COMMENT ON COLUMN customer.time_zone IS 'Billing time zone before the first day of customer_time_zone; null inherits the parent''s, then the provider''s.';

CREATE TABLE customer_time_zone (
    customer_id integer NOT NULL CONSTRAINT customer_time_zone_customer_fkey REFERENCES customer ON DELETE CASCADE,
    from_day    date NOT NULL,
    time_zone   time_zone_name NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_time_zone_pkey PRIMARY KEY (customer_id, from_day)
);
COMMENT ON TABLE customer_time_zone IS 'Changes of a customer''s own billing time zone: it holds from a billing day on, until the next one.';
COMMENT ON COLUMN customer_time_zone.customer_id IS 'The customer.';
COMMENT ON COLUMN customer_time_zone.from_day IS 'The first billing day of the time zone; it begins where the day before ended in the time zone before.';
COMMENT ON COLUMN customer_time_zone.time_zone IS 'The time zone from that day on.';
COMMENT ON COLUMN customer_time_zone.created_at IS 'When the row was created.';
