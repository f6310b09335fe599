-- What was counted already, and must not be added to continuous aggregates a second time. TimescaleDB's refreshes make a
-- bucket from all readings there are, also from those that the log of changes still has as to be added.
CREATE TABLE rollup_refresh (
    hours tstzrange NOT NULL
);
COMMENT ON TABLE rollup_refresh IS 'Refreshes of channel_hourly that are over, on the Community edition: written by a trigger in the transaction of each, emptied by the refresher.';
COMMENT ON COLUMN rollup_refresh.hours IS 'Which hours were refreshed, at most. Of those, what was in reading_change then is recomputed, and not added.';

ALTER TABLE rollup_generation DROP COLUMN followed_at;
