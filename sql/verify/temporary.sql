-- verify.temporary: what is recomputed, by channel (of an hour, of a day) and for the rollup that is compared; changes
-- that the rollups have yet to follow; whose a channel was when; registers with readings, and what folding them again finds
-- (null where that is as it is stored). They last as long as the connection.
CREATE TEMPORARY TABLE IF NOT EXISTS verify_hour (
    bucket timestamptz, billing_day date, channel_id integer, customer_id integer, group_id integer,
    metric_id integer, provider_id integer,
    count bigint, increment_sum numeric, value_sum numeric, value_min bigint, value_max bigint,
    first_ts timestamptz, first_value bigint, last_ts timestamptz, last_value bigint);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_day (LIKE verify_hour);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_right (
    bucket timestamptz, billing date, key1 integer, key2 integer, key3 integer,
    count bigint, increment_sum numeric, value_sum numeric, value_min bigint, value_max bigint,
    first_ts timestamptz, first_value bigint, last_ts timestamptz, last_value bigint);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_pending (hour timestamptz, channel_id integer, metric_id integer);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_owner (
    channel_id integer, since timestamptz, until timestamptz, customer_id integer, group_id integer);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_register (channel_id integer PRIMARY KEY);
CREATE TEMPORARY TABLE IF NOT EXISTS verify_fold (
    channel_id integer, ts timestamptz, event_key bigint, increment bigint, believed boolean,
    kind text, repeated boolean, trusted_ts timestamptz, trusted_event_key bigint, trusted_value bigint,
    accepting bigint, cleared boolean);
