-- rollups.added: what the readings that came in add to {name} in a transaction
CREATE TEMPORARY TABLE added_{name} (
    bucket timestamptz NOT NULL,
    billing_day date NOT NULL,
    channel_id integer NOT NULL,
    customer_id integer NOT NULL,
    group_id integer NOT NULL,
    count bigint NOT NULL,
    increment_sum numeric NOT NULL,
    value_sum numeric NOT NULL,
    value_min bigint NOT NULL,
    value_max bigint NOT NULL,
    first_ts timestamptz NOT NULL,
    first_value bigint NOT NULL,
    last_ts timestamptz NOT NULL,
    last_value bigint NOT NULL
) ON COMMIT DELETE ROWS;
