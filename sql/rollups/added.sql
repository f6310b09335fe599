-- rollups.added: what the readings that came in add to {name} in a transaction
CREATE TEMPORARY TABLE added_{name} (
    bucket timestamptz NOT NULL,
    billing_day date NOT NULL,
    channel_id integer NOT NULL,
    customer_id integer NOT NULL,
    group_id integer NOT NULL,
    {figures}
) ON COMMIT DELETE ROWS;
