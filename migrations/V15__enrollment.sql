-- Devices that register themselves: the tokens that let them, and who asked with one.

CREATE TABLE enrollment_token (
    token_id     integer GENERATED ALWAYS AS IDENTITY CONSTRAINT enrollment_token_pkey PRIMARY KEY,
    uuid         uuid NOT NULL CONSTRAINT enrollment_token_uuid_key UNIQUE,
    provider_id  integer NOT NULL,
    customer_id  integer NOT NULL,
    group_id     integer,
    name         text CONSTRAINT enrollment_token_name_length CHECK (length(name) BETWEEN 1 AND 256),
    lookup       text NOT NULL CONSTRAINT enrollment_token_lookup_key UNIQUE,
    secret_hash  bytea NOT NULL CONSTRAINT enrollment_token_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    approval     boolean NOT NULL,
    uses_allowed integer NOT NULL,
    uses         integer NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    CONSTRAINT enrollment_token_uses_range CHECK (uses BETWEEN 0 AND uses_allowed),
    CONSTRAINT enrollment_token_provider_token_key UNIQUE (provider_id, token_id),
    CONSTRAINT enrollment_token_customer_fkey FOREIGN KEY (provider_id, customer_id)
        REFERENCES customer (provider_id, customer_id) ON DELETE CASCADE,
    CONSTRAINT enrollment_token_group_fkey FOREIGN KEY (customer_id, group_id)
        REFERENCES device_group (customer_id, group_id) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX enrollment_token_customer_idx ON enrollment_token (customer_id);
CREATE INDEX enrollment_token_group_idx ON enrollment_token (group_id) WHERE group_id IS NOT NULL;
COMMENT ON TABLE enrollment_token IS 'Tokens with which devices of a customer register themselves. They end with their customer or group.';
COMMENT ON COLUMN enrollment_token.token_id IS 'Number of the token.';
COMMENT ON COLUMN enrollment_token.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN enrollment_token.provider_id IS 'The provider it acts in.';
COMMENT ON COLUMN enrollment_token.customer_id IS 'The customer whose devices it makes.';
COMMENT ON COLUMN enrollment_token.group_id IS 'The group that they are in; null for none.';
COMMENT ON COLUMN enrollment_token.name IS 'Name for people; null for none.';
COMMENT ON COLUMN enrollment_token.lookup IS 'The part of the token that finds this row; not secret.';
COMMENT ON COLUMN enrollment_token.secret_hash IS 'SHA-256 of the secret part.';
COMMENT ON COLUMN enrollment_token.approval IS 'Whether somebody has to approve each device.';
COMMENT ON COLUMN enrollment_token.uses_allowed IS 'How many devices may enroll with it.';
COMMENT ON COLUMN enrollment_token.uses IS 'How many did.';
COMMENT ON COLUMN enrollment_token.created_at IS 'When it was made.';
COMMENT ON COLUMN enrollment_token.expires_at IS 'From when on it is refused.';
COMMENT ON COLUMN enrollment_token.revoked_at IS 'Since when it is revoked; null while it is not.';

ALTER TABLE api_key
    ADD COLUMN applicant entity_key,
    ADD CONSTRAINT api_key_of_applicant CHECK (
        applicant IS NULL OR (scope = 'ingest' AND num_nonnulls(customer_id, group_id, device_id) = 0));
COMMENT ON COLUMN api_key.applicant IS 'Key of the device that it is to be for, while that waits for approval: what it posts is kept in quarantine until then. Null for all others.';

CREATE TABLE enrollment (
    enrollment_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT enrollment_pkey PRIMARY KEY,
    uuid          uuid NOT NULL CONSTRAINT enrollment_uuid_key UNIQUE,
    provider_id   integer NOT NULL,
    token_id      integer NOT NULL,
    device        entity_key NOT NULL,
    serial        text NOT NULL CONSTRAINT enrollment_serial_length CHECK (length(serial) BETWEEN 1 AND 128),
    model         text CONSTRAINT enrollment_model_length CHECK (length(model) BETWEEN 1 AND 128),
    firmware      text CONSTRAINT enrollment_firmware_length CHECK (length(firmware) BETWEEN 1 AND 128),
    proves        boolean NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CONSTRAINT enrollment_state_known CHECK (state IN ('pending', 'approved', 'refused')),
    key_id        integer NOT NULL CONSTRAINT enrollment_key_key UNIQUE CONSTRAINT enrollment_key_fkey REFERENCES api_key,
    created_at    timestamptz NOT NULL DEFAULT now(),
    decided_at    timestamptz,
    CONSTRAINT enrollment_serial_key UNIQUE (provider_id, serial),
    CONSTRAINT enrollment_device_key UNIQUE (provider_id, device),
    CONSTRAINT enrollment_token_fkey FOREIGN KEY (provider_id, token_id)
        REFERENCES enrollment_token (provider_id, token_id) ON DELETE CASCADE,
    CONSTRAINT enrollment_decided CHECK ((state = 'pending') = (decided_at IS NULL))
);
CREATE INDEX enrollment_token_idx ON enrollment (token_id);
CREATE INDEX enrollment_list_idx ON enrollment (provider_id, enrollment_id);
COMMENT ON TABLE enrollment IS 'Devices that registered themselves, or wait for approval of that.';
COMMENT ON COLUMN enrollment.enrollment_id IS 'Number of the enrollment.';
COMMENT ON COLUMN enrollment.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN enrollment.provider_id IS 'The provider.';
COMMENT ON COLUMN enrollment.token_id IS 'The token that it came with.';
COMMENT ON COLUMN enrollment.device IS 'Key of the device, which need not be there before it is approved.';
COMMENT ON COLUMN enrollment.serial IS 'Serial number, as the device says.';
COMMENT ON COLUMN enrollment.model IS 'What product it is, as the device says; null where it does not.';
COMMENT ON COLUMN enrollment.firmware IS 'Version of its firmware, as the device says; null where it does not.';
COMMENT ON COLUMN enrollment.proves IS 'Whether the device has a secret of its own, of which its key is made: who repeats the enrollment must have it.';
COMMENT ON COLUMN enrollment.state IS 'pending, approved or refused.';
COMMENT ON COLUMN enrollment.key_id IS 'The API key that the device got.';
COMMENT ON COLUMN enrollment.created_at IS 'When the device first asked.';
COMMENT ON COLUMN enrollment.decided_at IS 'When it was approved or refused; null while it waits.';

-- Whoever enrolls is looked for among the registered ones by serial number.
CREATE INDEX device_serial_idx ON device (provider_id, serial) WHERE serial IS NOT NULL;

CREATE FUNCTION recognising_profile(of_provider integer, of_model text, of_firmware text) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT profile_id
    FROM profile
    WHERE provider_id = of_provider AND of_model LIKE model_like AND (firmware_like IS NULL OR of_firmware LIKE firmware_like)
    ORDER BY firmware_like IS NULL, literals DESC, key::text
    LIMIT 1
$$;
COMMENT ON FUNCTION recognising_profile(integer, text, text) IS 'The profile of a provider that recognises a model and firmware: one that says what firmware goes before one that does not, then the one that says more, then the first by key.';
