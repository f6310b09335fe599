-- What lets servers keep the registry in memory, and what is counted of ingest.

CREATE SEQUENCE registry_version_seq AS bigint;

CREATE TABLE registry_version (
    provider_id integer CONSTRAINT registry_version_pkey PRIMARY KEY
                CONSTRAINT registry_version_provider_fkey REFERENCES provider ON DELETE CASCADE,
    version     bigint NOT NULL DEFAULT nextval('registry_version_seq')
);
COMMENT ON TABLE registry_version IS 'Changes whenever something changes that decides how a provider''s readings are stamped: what a server remembers of an older version no longer holds.';
COMMENT ON COLUMN registry_version.provider_id IS 'The provider.';
COMMENT ON COLUMN registry_version.version IS 'Grows with each change.';
INSERT INTO registry_version (provider_id) SELECT provider_id FROM provider;

-- A statement's changes; the transition table is named changed. Devices and assignments that are new, with nothing known
-- of them before, do not count: a fleet that registers itself would make servers forget everything at each step.
CREATE FUNCTION registry_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_version AS v (provider_id)
    SELECT DISTINCT provider_id FROM changed ORDER BY provider_id
    ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION registry_changed() IS 'Gives the providers of changed rows another registry version.';

CREATE FUNCTION assignment_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_version AS v (provider_id)
    SELECT DISTINCT c.provider_id
    FROM changed AS c
    JOIN device AS d USING (device_id)
    WHERE d.created_at <> now()
    ORDER BY c.provider_id
    ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION assignment_made() IS 'Gives the providers of new assignments another registry version, unless their devices are new too.';

CREATE FUNCTION calendar_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registry_version AS v (provider_id)
    SELECT DISTINCT provider_id FROM changed JOIN customer USING (customer_id) ORDER BY provider_id
    ON CONFLICT (provider_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION calendar_changed() IS 'Gives the providers of customers with another time zone another registry version.';

CREATE TRIGGER provider_made AFTER INSERT ON provider REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER provider_changed AFTER UPDATE ON provider REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER customer_changed AFTER UPDATE ON customer REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER customer_time_zone_made AFTER INSERT ON customer_time_zone REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION calendar_changed();
CREATE TRIGGER customer_time_zone_changed AFTER UPDATE ON customer_time_zone REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION calendar_changed();
CREATE TRIGGER customer_time_zone_gone AFTER DELETE ON customer_time_zone REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION calendar_changed();
CREATE TRIGGER metric_changed AFTER UPDATE ON metric REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER metric_gone AFTER DELETE ON metric REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER device_gone AFTER DELETE ON device REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER channel_gone AFTER DELETE ON channel REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER assignment_made AFTER INSERT ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION assignment_made();
CREATE TRIGGER assignment_changed AFTER UPDATE ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER assignment_gone AFTER DELETE ON assignment REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();

CREATE TABLE accounting (
    day         date NOT NULL,
    provider_id integer NOT NULL CONSTRAINT accounting_provider_fkey REFERENCES provider,
    key_id      integer NOT NULL,
    slot        smallint NOT NULL,
    received    bigint NOT NULL,
    stored      bigint NOT NULL,
    duplicates  bigint NOT NULL,
    conflicts   bigint NOT NULL,
    quarantined bigint NOT NULL,
    rejected    bigint NOT NULL,
    requests    bigint NOT NULL,
    CONSTRAINT accounting_pkey PRIMARY KEY (provider_id, day, key_id, slot),
    CONSTRAINT accounting_adds_up CHECK (received = stored + duplicates + conflicts + quarantined + rejected)
) WITH (fillfactor = 70);
COMMENT ON TABLE accounting IS 'Readings received, by day, key and verdict, counted in the transactions that stored them.';
COMMENT ON COLUMN accounting.day IS 'The UTC day on which they were received.';
COMMENT ON COLUMN accounting.provider_id IS 'The provider.';
COMMENT ON COLUMN accounting.key_id IS 'The API key that sent them; 0 for none.';
COMMENT ON COLUMN accounting.slot IS 'A day of a key is spread over some rows, so that those who store at the same time do not wait for each other.';
COMMENT ON COLUMN accounting.received IS 'Readings received.';
COMMENT ON COLUMN accounting.stored IS 'New, and committed.';
COMMENT ON COLUMN accounting.duplicates IS 'There already with the same value.';
COMMENT ON COLUMN accounting.conflicts IS 'There already with another value.';
COMMENT ON COLUMN accounting.quarantined IS 'Kept apart.';
COMMENT ON COLUMN accounting.rejected IS 'Not kept.';
COMMENT ON COLUMN accounting.requests IS 'Requests that they came in.';
