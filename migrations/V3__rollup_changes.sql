-- Which hours the rollups have yet to follow. Written by triggers on reading, emptied by the refresher.

CREATE TABLE reading_change (
    hour       timestamptz NOT NULL,
    channel_id integer NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX reading_change_hour_idx ON reading_change (hour);
CREATE INDEX reading_change_changed_at_idx ON reading_change (changed_at);
COMMENT ON TABLE reading_change IS 'Changes of readings that the rollups have yet to follow. May hold a (channel, hour) more than once.';
COMMENT ON COLUMN reading_change.hour IS 'Start of the UTC hour whose readings changed.';
COMMENT ON COLUMN reading_change.channel_id IS 'The channel whose readings changed; 0 where the edition refreshes all channels of an hour.';
COMMENT ON COLUMN reading_change.changed_at IS 'Start of the transaction that changed them.';
