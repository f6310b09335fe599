-- Profiles: what products of meters send, which readings that is, and what their devices are to do.

CREATE TABLE profile (
    profile_id    integer GENERATED ALWAYS AS IDENTITY CONSTRAINT profile_pkey PRIMARY KEY,
    uuid          uuid NOT NULL CONSTRAINT profile_uuid_key UNIQUE,
    provider_id   integer NOT NULL CONSTRAINT profile_provider_fkey REFERENCES provider,
    key           entity_key NOT NULL,
    version       integer NOT NULL DEFAULT 1 CONSTRAINT profile_version_positive CHECK (version > 0),
    name          text NOT NULL CONSTRAINT profile_name_length CHECK (length(name) BETWEEN 1 AND 256),
    model_like    text,
    firmware_like text,
    literals      integer NOT NULL DEFAULT 0,
    definition    jsonb NOT NULL CONSTRAINT profile_definition_object CHECK (jsonb_typeof(definition) = 'object'),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profile_key_key UNIQUE (provider_id, key),
    CONSTRAINT profile_provider_profile_key UNIQUE (provider_id, profile_id),
    CONSTRAINT profile_firmware_of_model CHECK (firmware_like IS NULL OR model_like IS NOT NULL)
);
COMMENT ON TABLE profile IS 'Products of meters, as a provider describes them: the version that holds.';
COMMENT ON COLUMN profile.profile_id IS 'Number of the profile inside the database.';
COMMENT ON COLUMN profile.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN profile.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN profile.key IS 'Key chosen by the provider, unique among its profiles.';
COMMENT ON COLUMN profile.version IS 'Grows by one with each change.';
COMMENT ON COLUMN profile.name IS 'Name for people.';
COMMENT ON COLUMN profile.model_like IS 'LIKE pattern of the models that it is for; null where it is only for devices that name it.';
COMMENT ON COLUMN profile.firmware_like IS 'LIKE pattern of the firmware that it is for; null for any.';
COMMENT ON COLUMN profile.literals IS 'How many characters its patterns say as they are: of several profiles that fit, the one that says more holds.';
COMMENT ON COLUMN profile.definition IS 'What it says, as the API shows it.';
COMMENT ON COLUMN profile.created_at IS 'When the row was created.';
COMMENT ON COLUMN profile.updated_at IS 'When the row last changed.';

CREATE TABLE profile_version (
    profile_id integer NOT NULL CONSTRAINT profile_version_profile_fkey REFERENCES profile ON DELETE CASCADE,
    version    integer NOT NULL,
    name       text NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT profile_version_pkey PRIMARY KEY (profile_id, version)
);
COMMENT ON TABLE profile_version IS 'All versions of profiles, the one that holds included. Rows never change.';
COMMENT ON COLUMN profile_version.profile_id IS 'The profile.';
COMMENT ON COLUMN profile_version.version IS 'From 1.';
COMMENT ON COLUMN profile_version.name IS 'Name for people in this version.';
COMMENT ON COLUMN profile_version.definition IS 'What it said.';
COMMENT ON COLUMN profile_version.created_at IS 'Since when it held.';

-- A profile that devices name stays.
ALTER TABLE device
    ADD COLUMN model      text CONSTRAINT device_model_length CHECK (length(model) BETWEEN 1 AND 128),
    ADD COLUMN firmware   text CONSTRAINT device_firmware_length CHECK (length(firmware) BETWEEN 1 AND 128),
    ADD COLUMN serial     text CONSTRAINT device_serial_length CHECK (length(serial) BETWEEN 1 AND 128),
    ADD COLUMN profile_id integer,
    ADD CONSTRAINT device_profile_fkey FOREIGN KEY (provider_id, profile_id) REFERENCES profile (provider_id, profile_id);
CREATE INDEX device_profile_idx ON device (profile_id) WHERE profile_id IS NOT NULL;
COMMENT ON COLUMN device.model IS 'What product it is, as its maker calls it; null where that is not known.';
COMMENT ON COLUMN device.firmware IS 'Version of its firmware; null where that is not known.';
COMMENT ON COLUMN device.serial IS 'Its serial number; null where that is not known.';
COMMENT ON COLUMN device.profile_id IS 'The profile that holds for it; null for the one that recognises its model and firmware.';

CREATE TABLE device_report (
    device_id       integer CONSTRAINT device_report_pkey PRIMARY KEY,
    provider_id     integer NOT NULL,
    profile_uuid    uuid,
    profile         text,
    version         integer,
    acknowledged_at timestamptz,
    settings        jsonb CONSTRAINT device_report_settings_object CHECK (jsonb_typeof(settings) = 'object'),
    reported_at     timestamptz,
    CONSTRAINT device_report_device_fkey FOREIGN KEY (provider_id, device_id)
        REFERENCES device (provider_id, device_id) ON DELETE CASCADE,
    CONSTRAINT device_report_acknowledged_whole CHECK (num_nulls(profile_uuid, profile, version, acknowledged_at) IN (0, 4)),
    CONSTRAINT device_report_reported_whole CHECK ((settings IS NULL) = (reported_at IS NULL))
);
COMMENT ON TABLE device_report IS 'What devices last said of their configuration.';
COMMENT ON COLUMN device_report.device_id IS 'The device.';
COMMENT ON COLUMN device_report.provider_id IS 'Its provider.';
COMMENT ON COLUMN device_report.profile_uuid IS 'Public id of the profile whose settings it has; null where it has said nothing of that.';
COMMENT ON COLUMN device_report.profile IS 'Key of that profile.';
COMMENT ON COLUMN device_report.version IS 'The version of that profile.';
COMMENT ON COLUMN device_report.acknowledged_at IS 'When it said so.';
COMMENT ON COLUMN device_report.settings IS 'The settings that it has, as it says; null where it has said nothing of that.';
COMMENT ON COLUMN device_report.reported_at IS 'When it said so.';

CREATE TABLE config_change (
    provider_id integer CONSTRAINT config_change_pkey PRIMARY KEY
                CONSTRAINT config_change_provider_fkey REFERENCES provider ON DELETE CASCADE,
    number      bigint NOT NULL DEFAULT 1
);
COMMENT ON TABLE config_change IS 'Counts what may change the configuration of a provider''s devices, so that every server can tell those that wait for it. No row where there was nothing yet.';
COMMENT ON COLUMN config_change.provider_id IS 'The provider.';
COMMENT ON COLUMN config_change.number IS 'Grows with each change.';

-- A statement's changes; the transition table is named changed. Devices are told of profiles that hold for them, and a
-- profile holds from its first version on for devices that are there.
CREATE FUNCTION profile_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO config_change AS c (provider_id)
    SELECT DISTINCT provider_id FROM changed ORDER BY provider_id
    ON CONFLICT (provider_id) DO UPDATE SET number = c.number + 1;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION profile_changed() IS 'Counts a change of the configuration of the providers of changed profiles.';

CREATE FUNCTION device_recognised_otherwise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO config_change AS c (provider_id)
    SELECT DISTINCT changed.provider_id
    FROM changed
    JOIN was USING (device_id)
    WHERE (changed.model, changed.firmware, changed.profile_id) IS DISTINCT FROM (was.model, was.firmware, was.profile_id)
    ORDER BY changed.provider_id
    ON CONFLICT (provider_id) DO UPDATE SET number = c.number + 1;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION device_recognised_otherwise() IS 'Counts a change of the configuration of the providers of devices with another model, firmware or profile.';

CREATE TRIGGER profile_made AFTER INSERT ON profile REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION profile_changed();
CREATE TRIGGER profile_changed AFTER UPDATE ON profile REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION profile_changed();
CREATE TRIGGER profile_gone AFTER DELETE ON profile REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION profile_changed();
CREATE TRIGGER device_recognised_otherwise AFTER UPDATE ON device REFERENCING OLD TABLE AS was NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION device_recognised_otherwise();
