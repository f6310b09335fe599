-- What was received minute by minute in the last hours: how much comes in just now is told without adding up the accounts of
-- all keys of a day, which are as many as there are devices with keys of their own.

CREATE TABLE accounting_minute (
    provider_id integer NOT NULL CONSTRAINT accounting_minute_provider_fkey REFERENCES provider,
    minute      timestamptz NOT NULL,
    slot        smallint NOT NULL,
    received    bigint NOT NULL,
    stored      bigint NOT NULL,
    duplicates  bigint NOT NULL,
    conflicts   bigint NOT NULL,
    quarantined bigint NOT NULL,
    rejected    bigint NOT NULL,
    CONSTRAINT accounting_minute_pkey PRIMARY KEY (provider_id, minute, slot),
    CONSTRAINT accounting_minute_adds_up CHECK (received = stored + duplicates + conflicts + quarantined + rejected)
) WITH (fillfactor = 70);
CREATE INDEX accounting_minute_minute_idx ON accounting_minute (minute);
COMMENT ON TABLE accounting_minute IS 'Readings received, by minute and verdict, of all keys of a provider together, counted in the transactions that stored them. Rows are deleted after some hours.';
COMMENT ON COLUMN accounting_minute.provider_id IS 'The provider.';
COMMENT ON COLUMN accounting_minute.minute IS 'The beginning of the minute in which they were received.';
COMMENT ON COLUMN accounting_minute.slot IS 'A minute is spread over some rows, so that those who store at the same time do not wait for each other.';
COMMENT ON COLUMN accounting_minute.received IS 'Readings received.';
COMMENT ON COLUMN accounting_minute.stored IS 'New, and committed.';
COMMENT ON COLUMN accounting_minute.duplicates IS 'There already with the same value.';
COMMENT ON COLUMN accounting_minute.conflicts IS 'There already with another value.';
COMMENT ON COLUMN accounting_minute.quarantined IS 'In quarantine, also those that were there already.';
COMMENT ON COLUMN accounting_minute.rejected IS 'Not kept.';
