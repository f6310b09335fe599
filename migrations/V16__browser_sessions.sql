-- Browsers that are signed in with a key or a token of a portal.

CREATE TABLE browser_session (
    session_id  bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT browser_session_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT browser_session_uuid_key UNIQUE,
    key_id      integer CONSTRAINT browser_session_key_fkey REFERENCES api_key,
    token_id    bigint CONSTRAINT browser_session_token_fkey REFERENCES portal_token ON DELETE CASCADE,
    shown_hash  bytea CONSTRAINT browser_session_shown_hash_length CHECK (octet_length(shown_hash) = 32),
    lookup      text NOT NULL CONSTRAINT browser_session_lookup_key UNIQUE,
    secret_hash bytea NOT NULL CONSTRAINT browser_session_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    CONSTRAINT browser_session_of_one CHECK (num_nonnulls(key_id, token_id) = 1),
    CONSTRAINT browser_session_shown_of_key CHECK ((shown_hash IS NULL) = (key_id IS NULL))
);
CREATE INDEX browser_session_key_idx ON browser_session (key_id) WHERE key_id IS NOT NULL;
CREATE INDEX browser_session_token_idx ON browser_session (token_id) WHERE token_id IS NOT NULL;
CREATE INDEX browser_session_expires_idx ON browser_session (expires_at);
COMMENT ON TABLE browser_session IS 'Browsers that are signed in. A session ends with its key or token, and is deleted some time after its end.';
COMMENT ON COLUMN browser_session.session_id IS 'Number of the session.';
COMMENT ON COLUMN browser_session.uuid IS 'Public id (UUIDv7), for the audit.';
COMMENT ON COLUMN browser_session.key_id IS 'The API key that was signed in with; null for a token.';
COMMENT ON COLUMN browser_session.token_id IS 'The token of a portal that was signed in with; null for a key.';
COMMENT ON COLUMN browser_session.shown_hash IS 'SHA-256 of the secret that the key had then: a session ends with that secret. Null for a token.';
COMMENT ON COLUMN browser_session.lookup IS 'The part of the cookie that finds this row; not secret.';
COMMENT ON COLUMN browser_session.secret_hash IS 'SHA-256 of the secret part of the cookie.';
COMMENT ON COLUMN browser_session.created_at IS 'When it was begun.';
COMMENT ON COLUMN browser_session.expires_at IS 'From when on it is refused.';
