-- The readings themselves, and what could not be stored among them yet.

CREATE TABLE reading (
    ts          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    value       bigint NOT NULL,
    increment   bigint NOT NULL,
    event_key   bigint NOT NULL DEFAULT 0,
    channel_id  integer NOT NULL,
    customer_id integer NOT NULL,
    group_id    integer NOT NULL DEFAULT 0,
    billing_day date NOT NULL,
    event_id    text
);
SELECT create_hypertable('reading', by_range('ts', interval '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX reading_channel_ts_event_key ON reading (channel_id, ts, event_key);
COMMENT ON TABLE reading IS 'Raw readings. The identity of a reading is (channel_id, ts, event_key).';
COMMENT ON COLUMN reading.ts IS 'The instant the reading is of.';
COMMENT ON COLUMN reading.recorded_at IS 'When Meterbase stored it.';
COMMENT ON COLUMN reading.value IS 'The value times 10 to the power of the metric''s scale.';
COMMENT ON COLUMN reading.increment IS 'What it adds to usage, scaled alike: the value of a delta, the difference to the reading before for a register, 0 for a gauge.';
COMMENT ON COLUMN reading.event_key IS '0 without an event id, else the first 64 bits of its SHA-256.';
COMMENT ON COLUMN reading.channel_id IS 'The channel.';
COMMENT ON COLUMN reading.customer_id IS 'The customer that owned the device at ts.';
COMMENT ON COLUMN reading.group_id IS 'The group the device was in at ts; 0 for none.';
COMMENT ON COLUMN reading.billing_day IS 'The calendar day of ts in that customer''s billing time zone.';
COMMENT ON COLUMN reading.event_id IS 'The event id as the sender gave it; null without one.';

CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT quarantine_pkey PRIMARY KEY,
    provider_id   integer NOT NULL CONSTRAINT quarantine_provider_fkey REFERENCES provider,
    device        text NOT NULL,
    metric        text NOT NULL,
    ts            timestamptz NOT NULL,
    value         text NOT NULL,
    event_id      text,
    dimensions    jsonb NOT NULL DEFAULT '{}',
    code          text NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now()
);
-- A sender that repeats itself is kept once.
CREATE UNIQUE INDEX quarantine_reading_key ON quarantine
    (provider_id, device, metric, ts, dimensions, (coalesce(event_id, '')), md5(value));
COMMENT ON TABLE quarantine IS 'Readings that are kept though they could not be stored yet: their trouble is curable.';
COMMENT ON COLUMN quarantine.quarantine_id IS 'Number of the row.';
COMMENT ON COLUMN quarantine.provider_id IS 'The provider whose key sent it.';
COMMENT ON COLUMN quarantine.device IS 'The device as the sender named it.';
COMMENT ON COLUMN quarantine.metric IS 'The metric as the sender named it.';
COMMENT ON COLUMN quarantine.ts IS 'The instant the reading is of.';
COMMENT ON COLUMN quarantine.value IS 'The decimal as it was sent: without a metric there is no scale yet.';
COMMENT ON COLUMN quarantine.event_id IS 'The event id; null without one.';
COMMENT ON COLUMN quarantine.dimensions IS 'The dimensions; an empty object for none.';
COMMENT ON COLUMN quarantine.code IS 'Why: unknown_device, unknown_metric or device_unassigned.';
COMMENT ON COLUMN quarantine.recorded_at IS 'When Meterbase kept it.';
