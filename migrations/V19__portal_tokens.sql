-- Tokens of portals can be ended alone, and are listed.

ALTER TABLE portal_token ADD COLUMN revoked_at timestamptz;
CREATE INDEX portal_token_provider_idx ON portal_token (provider_id, token_id);
COMMENT ON COLUMN portal_token.revoked_at IS 'Since when it is revoked; null while it is not.';
