-- How many readings are expected.

ALTER TABLE metric ADD COLUMN expected_interval interval
    CONSTRAINT metric_expected_interval_range CHECK (expected_interval BETWEEN interval '1 second' AND interval '31 days');
COMMENT ON COLUMN metric.expected_interval IS 'Time between two readings of a channel, as far as they are expected regularly; null for no expectation.';

ALTER TABLE channel ADD COLUMN first_ts timestamptz;
COMMENT ON COLUMN channel.first_ts IS 'Instant of the earliest reading that Meterbase stored; null while there is none, or it came another way.';
COMMENT ON TABLE channel IS 'One stream of readings: a device, a metric and a set of dimensions. Nothing of a row changes but first_ts.';

UPDATE channel c SET first_ts = r.first_ts
FROM (SELECT channel_id, min(ts) AS first_ts FROM reading GROUP BY channel_id) AS r
WHERE r.channel_id = c.channel_id;
