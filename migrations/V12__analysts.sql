-- Analysts: roles of PostgreSQL that read the views of a schema of their own.

-- IF NOT EXISTS asks for the right to make schemas where this one is there too.
DO $$ BEGIN
    IF to_regnamespace('analytics') IS NULL THEN
        CREATE SCHEMA analytics;
    END IF;
END $$;
COMMENT ON SCHEMA analytics IS 'Views for analysts; each shows a role the rows of the providers that it may see.';

CREATE TABLE analyst (
    role_name   name CONSTRAINT analyst_pkey PRIMARY KEY,
    provider_id integer CONSTRAINT analyst_provider_fkey REFERENCES provider ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE analyst IS 'Roles that the views of the schema analytics show something to. Any other role sees no row there.';
COMMENT ON COLUMN analyst.role_name IS 'Name of the role.';
COMMENT ON COLUMN analyst.provider_id IS 'The provider whose rows it sees; null for those of all providers.';
COMMENT ON COLUMN analyst.created_at IS 'When it was made.';

CREATE TABLE analytics_version (
    fingerprint text NOT NULL CONSTRAINT analytics_version_pkey PRIMARY KEY,
    made_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE analytics_version IS 'By what the views of the schema analytics were made: one row, or none where they are to be made.';
COMMENT ON COLUMN analytics_version.fingerprint IS 'SHA-256 of the statements that made them.';
COMMENT ON COLUMN analytics_version.made_at IS 'When they were made.';
