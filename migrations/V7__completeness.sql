-- How many readings are expected.

ALTER TABLE metric ADD COLUMN expected_interval integer
    CONSTRAINT metric_expected_interval_range CHECK (expected_interval BETWEEN 1 AND 31 * 86400);
COMMENT ON COLUMN metric.expected_interval IS 'Seconds from one reading of a channel to the next, where they are expected regularly; null for no expectation.';

ALTER TABLE channel ADD COLUMN first_ts timestamptz;
COMMENT ON COLUMN channel.first_ts IS 'Instant of the earliest reading that the server stored, from which on readings are expected; null when all came another way.';
COMMENT ON TABLE channel IS 'One stream of readings: a device, a metric and a set of dimensions. Nothing of a row changes but first_ts.';

UPDATE channel c SET first_ts = r.first_ts
FROM (SELECT channel_id, min(ts) AS first_ts FROM reading GROUP BY channel_id) AS r
WHERE r.channel_id = c.channel_id;
