CREATE TABLE {name} (
    bucket timestamptz NOT NULL,
    {billing} date NOT NULL,
    {key_columns},
    {figures}
);
SELECT create_hypertable('{name}', by_range('bucket', interval '{chunk}'), create_default_indexes => false);
CREATE UNIQUE INDEX {name}_key ON {name} ({index});
