-- Certificates that the server gives to devices which register themselves; each stands for the text of their key.

CREATE TABLE issued_certificate (
    certificate_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT issued_certificate_pkey PRIMARY KEY,
    key_id         integer NOT NULL CONSTRAINT issued_certificate_key_fkey REFERENCES api_key,
    fingerprint    bytea NOT NULL CONSTRAINT issued_certificate_fingerprint_key UNIQUE
        CONSTRAINT issued_certificate_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    public_key     bytea NOT NULL
        CONSTRAINT issued_certificate_public_key_length CHECK (octet_length(public_key) = 32),
    pem            text NOT NULL CONSTRAINT issued_certificate_pem_length CHECK (length(pem) BETWEEN 1 AND 16384),
    issued_at      timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    CONSTRAINT issued_certificate_ends_later CHECK (expires_at > issued_at)
);
CREATE INDEX issued_certificate_key_idx ON issued_certificate (key_id, certificate_id);
COMMENT ON TABLE issued_certificate IS 'Certificates that the server gave to devices: the last few of each API key.';
COMMENT ON COLUMN issued_certificate.certificate_id IS 'Number of the certificate.';
COMMENT ON COLUMN issued_certificate.key_id IS 'The API key that callers with it hold.';
COMMENT ON COLUMN issued_certificate.fingerprint IS 'SHA-256 of its DER form.';
COMMENT ON COLUMN issued_certificate.public_key IS 'SHA-256 of the public key that it certifies.';
COMMENT ON COLUMN issued_certificate.pem IS 'The certificate in PEM form.';
COMMENT ON COLUMN issued_certificate.issued_at IS 'When it was given.';
COMMENT ON COLUMN issued_certificate.expires_at IS 'Until when it is good.';
