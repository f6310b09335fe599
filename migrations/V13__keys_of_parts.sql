-- Keys for a part of a provider, certificates that stand for keys, tokens for portals, and an audit that says from where.

-- So that a key can name a group of its own provider alone.
ALTER TABLE device_group ADD CONSTRAINT device_group_provider_group_key UNIQUE (provider_id, group_id);

ALTER TABLE api_key
    ADD COLUMN customer_id    integer,
    ADD COLUMN group_id       integer,
    ADD COLUMN device_id      integer,
    ADD COLUMN rotated_at     timestamptz,
    ADD COLUMN previous_hash  bytea CONSTRAINT api_key_previous_hash_length CHECK (octet_length(previous_hash) = 32),
    ADD COLUMN previous_until timestamptz,
    ADD COLUMN last_used_at   timestamptz,
    ADD COLUMN certificate_fingerprint bytea
        CONSTRAINT api_key_certificate_fingerprint_length CHECK (octet_length(certificate_fingerprint) = 32),
    ADD COLUMN certificate_subject text,
    ADD CONSTRAINT api_key_one_certificate CHECK (num_nonnulls(certificate_fingerprint, certificate_subject) <= 1),
    ADD CONSTRAINT api_key_certificate_of_scope CHECK (
        num_nonnulls(certificate_fingerprint, certificate_subject) = 0 OR scope = 'ingest'),
    ADD CONSTRAINT api_key_of_customer_fkey FOREIGN KEY (provider_id, customer_id) REFERENCES customer (provider_id, customer_id),
    ADD CONSTRAINT api_key_of_group_fkey FOREIGN KEY (provider_id, group_id) REFERENCES device_group (provider_id, group_id),
    ADD CONSTRAINT api_key_of_device_fkey FOREIGN KEY (provider_id, device_id) REFERENCES device (provider_id, device_id),
    ADD CONSTRAINT api_key_one_part CHECK (num_nonnulls(customer_id, group_id, device_id) <= 1),
    ADD CONSTRAINT api_key_part_of_scope CHECK (
        (customer_id IS NULL OR scope IN ('read', 'ingest')) AND (num_nonnulls(group_id, device_id) = 0 OR scope = 'ingest')),
    ADD CONSTRAINT api_key_previous_ends CHECK ((previous_hash IS NULL) = (previous_until IS NULL));
CREATE UNIQUE INDEX api_key_certificate_fingerprint_key ON api_key (certificate_fingerprint) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX api_key_certificate_subject_key ON api_key (certificate_subject) WHERE revoked_at IS NULL;
CREATE INDEX api_key_provider_idx ON api_key (provider_id, key_id);
CREATE INDEX api_key_customer_idx ON api_key (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX api_key_group_idx ON api_key (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX api_key_device_idx ON api_key (device_id) WHERE device_id IS NOT NULL;
COMMENT ON COLUMN api_key.customer_id IS 'The customer for which, with all below it, it is good; null for no such limit.';
COMMENT ON COLUMN api_key.group_id IS 'The group for whose devices it may post; null for no such limit.';
COMMENT ON COLUMN api_key.device_id IS 'The device for which it may post; null for no such limit.';
COMMENT ON COLUMN api_key.rotated_at IS 'When it got its present secret; null for the one it was made with.';
COMMENT ON COLUMN api_key.previous_hash IS 'SHA-256 of the secret part before the last rotation; null where there was none.';
COMMENT ON COLUMN api_key.previous_until IS 'Until when that one is good too.';
COMMENT ON COLUMN api_key.certificate_fingerprint IS 'SHA-256 of the certificate that stands for its text; null where none does.';
COMMENT ON COLUMN api_key.certificate_subject IS 'Subject of the certificates that stand for its text, as RFC 4514 writes it; null where none do.';
COMMENT ON COLUMN api_key.last_used_at IS 'When it was last used, a minute or so late; null for never.';

CREATE TABLE portal_token (
    token_id    bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT portal_token_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT portal_token_uuid_key UNIQUE,
    key_id      integer NOT NULL CONSTRAINT portal_token_maker_fkey REFERENCES api_key,
    provider_id integer NOT NULL,
    customer_id integer NOT NULL,
    lookup      text NOT NULL CONSTRAINT portal_token_lookup_key UNIQUE,
    secret_hash bytea NOT NULL CONSTRAINT portal_token_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    CONSTRAINT portal_token_of_customer_fkey FOREIGN KEY (provider_id, customer_id)
        REFERENCES customer (provider_id, customer_id) ON DELETE CASCADE
);
CREATE INDEX portal_token_expires_idx ON portal_token (expires_at);
CREATE INDEX portal_token_customer_idx ON portal_token (customer_id);
COMMENT ON TABLE portal_token IS 'Short-lived tokens that read one customer with all below it. They end with the key that made them, and are deleted some time after their end.';
COMMENT ON COLUMN portal_token.token_id IS 'Number of the token.';
COMMENT ON COLUMN portal_token.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN portal_token.key_id IS 'The API key that made it.';
COMMENT ON COLUMN portal_token.provider_id IS 'The provider it acts in.';
COMMENT ON COLUMN portal_token.customer_id IS 'The customer that it reads.';
COMMENT ON COLUMN portal_token.lookup IS 'The part of the token that finds this row; not secret.';
COMMENT ON COLUMN portal_token.secret_hash IS 'SHA-256 of the secret part.';
COMMENT ON COLUMN portal_token.created_at IS 'When it was made.';
COMMENT ON COLUMN portal_token.expires_at IS 'From when on it is refused.';

-- What a key of a part sends for others waits apart: it must never count for these, nor keep out what they send themselves.
ALTER TABLE quarantine ADD COLUMN bound_key_id integer CONSTRAINT quarantine_bound_key_fkey REFERENCES api_key;
COMMENT ON COLUMN quarantine.bound_key_id IS 'The API key that sent it, where that is one for a part of the provider: only what is in that part can it be stored for. Null for other keys.';
DROP INDEX quarantine_reading_key;
CREATE UNIQUE INDEX quarantine_reading_key ON quarantine
    (provider_id, device, metric, ts, dimensions, (coalesce(event_id, '')), md5(value), (coalesce(bound_key_id, 0)));

ALTER TABLE audit ADD COLUMN address inet;
COMMENT ON COLUMN audit.address IS 'The address that the request came from; null for the command line.';
CREATE INDEX audit_provider_idx ON audit (provider_id, audit_id);
CREATE INDEX audit_entity_idx ON audit (entity, audit_id);
