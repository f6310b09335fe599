CREATE TABLE {name} (
    bucket timestamptz NOT NULL,
    {billing} date NOT NULL,
    {key_columns},
    count bigint NOT NULL,
    increment_sum numeric NOT NULL,
    value_sum numeric NOT NULL,
    value_min bigint NOT NULL,
    value_max bigint NOT NULL,
    first_ts timestamptz NOT NULL,
    first_value bigint NOT NULL,
    last_ts timestamptz NOT NULL,
    last_value bigint NOT NULL
);
SELECT create_hypertable('{name}', by_range('bucket', interval '{chunk}'), create_default_indexes => false);
CREATE UNIQUE INDEX {name}_key ON {name} ({index});
