-- Who may call, and who changed what.

CREATE TABLE api_key (
    key_id       integer GENERATED ALWAYS AS IDENTITY CONSTRAINT api_key_pkey PRIMARY KEY,
    uuid         uuid NOT NULL CONSTRAINT api_key_uuid_key UNIQUE,
    provider_id  integer CONSTRAINT api_key_provider_fkey REFERENCES provider,
    scope        text NOT NULL CONSTRAINT api_key_scope_known CHECK (scope IN ('admin', 'provider', 'read', 'ingest')),
    name         text CONSTRAINT api_key_name_length CHECK (length(name) BETWEEN 1 AND 256),
    lookup       text NOT NULL CONSTRAINT api_key_lookup_key UNIQUE,
    secret_hash  bytea NOT NULL CONSTRAINT api_key_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT api_key_provider_scope CHECK ((scope = 'admin') = (provider_id IS NULL))
);
COMMENT ON TABLE api_key IS 'API keys. The secret itself is not stored.';
COMMENT ON COLUMN api_key.key_id IS 'Number of the key.';
COMMENT ON COLUMN api_key.uuid IS 'Public id (UUIDv7) by which a key is listed and revoked.';
COMMENT ON COLUMN api_key.provider_id IS 'The provider it acts in; null for an admin key.';
COMMENT ON COLUMN api_key.scope IS 'admin: everything; provider: everything in one provider; read: its figures and registry; ingest: posting its readings.';
COMMENT ON COLUMN api_key.name IS 'Name for people; null when none was given.';
COMMENT ON COLUMN api_key.lookup IS 'The part of the key that finds this row; not secret.';
COMMENT ON COLUMN api_key.secret_hash IS 'SHA-256 of the secret part.';
COMMENT ON COLUMN api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN api_key.expires_at IS 'From when on it is refused; null for never.';
COMMENT ON COLUMN api_key.revoked_at IS 'When it was revoked; null while it is good.';

CREATE TABLE audit (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_pkey PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    provider_id integer CONSTRAINT audit_provider_fkey REFERENCES provider,
    key_id      integer CONSTRAINT audit_key_fkey REFERENCES api_key,
    action      text NOT NULL,
    entity      text NOT NULL,
    before      jsonb,
    after       jsonb
);
CREATE INDEX audit_provider_at_idx ON audit (provider_id, at);
COMMENT ON TABLE audit IS 'What was changed by whom, written in the transaction of the change.';
COMMENT ON COLUMN audit.audit_id IS 'Number of the entry.';
COMMENT ON COLUMN audit.at IS 'Start of the transaction that made the change.';
COMMENT ON COLUMN audit.provider_id IS 'The provider it concerns; null for none.';
COMMENT ON COLUMN audit.key_id IS 'The API key that asked for it; null for the command line.';
COMMENT ON COLUMN audit.action IS 'What was done, such as device.move.';
COMMENT ON COLUMN audit.entity IS 'Key of the entity it was done to.';
COMMENT ON COLUMN audit.before IS 'How it was; null for a creation.';
COMMENT ON COLUMN audit.after IS 'How it is; null for a deletion.';

-- Append-only, for the table's owner too.
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries cannot be changed or deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_append_only', TABLE = 'audit';
END $$;
COMMENT ON FUNCTION audit_append_only() IS 'Refuses to change or delete audit entries.';
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
