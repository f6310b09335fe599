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
    kept                bigint NOT NULL DEFAULT 0,
    replayed_stored     bigint NOT NULL DEFAULT 0,
    replayed_duplicates bigint NOT NULL DEFAULT 0,
    expired             bigint NOT NULL DEFAULT 0,
    deleted             bigint NOT NULL DEFAULT 0,
    CONSTRAINT accounting_pkey PRIMARY KEY (provider_id, day, key_id, slot),
    CONSTRAINT accounting_adds_up CHECK (received = stored + duplicates + conflicts + quarantined + rejected)
) WITH (fillfactor = 70);
COMMENT ON TABLE accounting IS 'Readings received, by day, key and verdict, and what became of those in quarantine, counted in the transactions that did it. Over all days kept - replayed_stored - replayed_duplicates - expired - deleted is what is in quarantine.';
COMMENT ON COLUMN accounting.day IS 'The UTC day on which they were received, or left the quarantine.';
COMMENT ON COLUMN accounting.provider_id IS 'The provider.';
COMMENT ON COLUMN accounting.key_id IS 'The API key that sent them; 0 for none.';
COMMENT ON COLUMN accounting.slot IS 'A day of a key is spread over some rows, so that those who store at the same time do not wait for each other.';
COMMENT ON COLUMN accounting.received IS 'Readings received.';
COMMENT ON COLUMN accounting.stored IS 'New, and committed.';
COMMENT ON COLUMN accounting.duplicates IS 'There already with the same value.';
COMMENT ON COLUMN accounting.conflicts IS 'There already with another value.';
COMMENT ON COLUMN accounting.quarantined IS 'In quarantine, also those that were there already.';
COMMENT ON COLUMN accounting.rejected IS 'Not kept.';
COMMENT ON COLUMN accounting.requests IS 'Requests that they came in.';
COMMENT ON COLUMN accounting.kept IS 'Of the quarantined, those that were not there already.';
COMMENT ON COLUMN accounting.replayed_stored IS 'Left the quarantine on this day as stored readings, whenever they were received.';
COMMENT ON COLUMN accounting.replayed_duplicates IS 'Left the quarantine on this day, for they were stored meanwhile with the same value.';
COMMENT ON COLUMN accounting.expired IS 'Left the quarantine on this day, for they had been there as long as readings are kept there.';
COMMENT ON COLUMN accounting.deleted IS 'Left the quarantine on this day, for somebody deleted them.';

ALTER TABLE quarantine
    ADD COLUMN key_id integer CONSTRAINT quarantine_key_fkey REFERENCES api_key,
    ADD COLUMN detail text;
CREATE INDEX quarantine_provider_idx ON quarantine (provider_id, quarantine_id);
CREATE INDEX quarantine_device_idx ON quarantine (provider_id, device, quarantine_id);
CREATE INDEX quarantine_metric_idx ON quarantine (provider_id, metric, quarantine_id);
COMMENT ON COLUMN quarantine.code IS 'Why: unknown_device, unknown_metric or device_unassigned; or what spoke against it when it was tried again.';
COMMENT ON COLUMN quarantine.key_id IS 'The API key that sent it; null where that is not known.';
COMMENT ON COLUMN quarantine.detail IS 'What spoke against it when it was tried again, for people; null where the code and the reading say it.';

CREATE TABLE quarantine_size (
    provider_id integer NOT NULL CONSTRAINT quarantine_size_provider_fkey REFERENCES provider ON DELETE CASCADE,
    slot        smallint NOT NULL,
    readings    bigint NOT NULL,
    CONSTRAINT quarantine_size_pkey PRIMARY KEY (provider_id, slot)
) WITH (fillfactor = 70);
COMMENT ON TABLE quarantine_size IS 'How many readings of each provider are in quarantine: the sum over its slots.';
COMMENT ON COLUMN quarantine_size.provider_id IS 'The provider.';
COMMENT ON COLUMN quarantine_size.slot IS 'The number is spread over some rows, so that those who change it at the same time do not wait for each other.';
COMMENT ON COLUMN quarantine_size.readings IS 'Readings that came less those that went; may be negative in one slot.';
INSERT INTO quarantine_size (provider_id, slot, readings)
SELECT provider_id, 0, count(*) FROM quarantine GROUP BY provider_id;

-- The transition table is named changed; the argument is 1 for rows that came and -1 for rows that went.
CREATE FUNCTION quarantine_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quarantine_size AS s (provider_id, slot, readings)
    SELECT provider_id, pg_backend_pid() % 16, count(*) * TG_ARGV[0]::integer FROM changed
    GROUP BY provider_id
    ORDER BY provider_id
    ON CONFLICT (provider_id, slot) DO UPDATE SET readings = s.readings + excluded.readings;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION quarantine_counted() IS 'Keeps count of the readings in quarantine.';
CREATE FUNCTION quarantine_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM quarantine_size;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION quarantine_truncated() IS 'Nothing is in quarantine any more.';
CREATE TRIGGER quarantine_came AFTER INSERT ON quarantine REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION quarantine_counted('1');
CREATE TRIGGER quarantine_went AFTER DELETE ON quarantine REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION quarantine_counted('-1');
CREATE TRIGGER quarantine_truncated AFTER TRUNCATE ON quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION quarantine_truncated();

CREATE SEQUENCE quarantine_due_turn_seq AS bigint;
CREATE TABLE quarantine_due (
    provider_id integer NOT NULL CONSTRAINT quarantine_due_provider_fkey REFERENCES provider ON DELETE CASCADE,
    kind        text NOT NULL CONSTRAINT quarantine_due_kind_known CHECK (kind IN ('device', 'metric')),
    name        text NOT NULL,
    behind      bigint NOT NULL DEFAULT 0,
    turn        bigint NOT NULL DEFAULT nextval('quarantine_due_turn_seq'),
    CONSTRAINT quarantine_due_pkey PRIMARY KEY (provider_id, kind, name)
);
CREATE INDEX quarantine_due_turn_idx ON quarantine_due (turn);
COMMENT ON TABLE quarantine_due IS 'Devices and metrics that readings in quarantine were waiting for: the servers try those again, and delete the row then.';
COMMENT ON COLUMN quarantine_due.provider_id IS 'The provider.';
COMMENT ON COLUMN quarantine_due.kind IS 'What it is that they were waiting for.';
COMMENT ON COLUMN quarantine_due.name IS 'As the readings name it.';
COMMENT ON COLUMN quarantine_due.behind IS 'Readings up to this number were tried.';
COMMENT ON COLUMN quarantine_due.turn IS 'The least is worked on next.';

-- The transition table is named changed.
CREATE FUNCTION quarantined_devices_are_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM quarantine) THEN
        INSERT INTO quarantine_due AS due (provider_id, kind, name)
        SELECT DISTINCT d.provider_id, 'device', n.name
        FROM changed
        JOIN device AS d USING (device_id)
        CROSS JOIN LATERAL (VALUES (d.key::text), (d.uuid::text)) AS n (name)
        WHERE EXISTS (
            SELECT FROM quarantine AS q
            WHERE q.provider_id = d.provider_id AND q.device = n.name
              AND q.code IN ('unknown_device', 'device_unassigned'))
        ORDER BY d.provider_id, n.name
        ON CONFLICT (provider_id, kind, name) DO UPDATE SET behind = 0;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION quarantined_devices_are_due() IS 'Has readings in quarantine tried again whose devices got an owner.';
CREATE FUNCTION quarantined_metrics_are_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quarantine_due AS due (provider_id, kind, name)
    SELECT DISTINCT m.provider_id, 'metric', n.name
    FROM changed AS m
    CROSS JOIN LATERAL (VALUES (m.key::text), (m.uuid::text)) AS n (name)
    WHERE EXISTS (
        SELECT FROM quarantine AS q
        WHERE q.provider_id = m.provider_id AND q.metric = n.name AND q.code = 'unknown_metric')
    ORDER BY m.provider_id, n.name
    ON CONFLICT (provider_id, kind, name) DO UPDATE SET behind = 0;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION quarantined_metrics_are_due() IS 'Has readings in quarantine tried again whose metrics were made.';
CREATE TRIGGER assignment_made_quarantine AFTER INSERT ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION quarantined_devices_are_due();
CREATE TRIGGER assignment_changed_quarantine AFTER UPDATE ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION quarantined_devices_are_due();
CREATE TRIGGER metric_made_quarantine AFTER INSERT ON metric REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION quarantined_metrics_are_due();

ALTER TABLE api_key
    ADD COLUMN rate integer CONSTRAINT api_key_rate_range CHECK (rate >= 0),
    ADD COLUMN burst integer CONSTRAINT api_key_burst_range CHECK (burst > 0),
    ADD CONSTRAINT api_key_burst_of_rate CHECK (burst IS NULL OR rate IS NOT NULL);
COMMENT ON COLUMN api_key.rate IS 'Readings a second that it may send to each server; 0 for any number, null for what the server says of all keys.';
COMMENT ON COLUMN api_key.burst IS 'Readings that it may send at once, where it has a rate; null for those of ten seconds.';
