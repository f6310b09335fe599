-- Who sees a part of a provider is told of the readings that come in there. They are counted while somebody listens.

CREATE TABLE listened_customer (
    provider_id integer NOT NULL,
    customer_id integer NOT NULL,
    until       timestamptz NOT NULL,
    CONSTRAINT listened_customer_pkey PRIMARY KEY (provider_id, customer_id),
    CONSTRAINT listened_customer_customer_fkey FOREIGN KEY (provider_id, customer_id)
        REFERENCES customer (provider_id, customer_id) ON DELETE CASCADE
);
COMMENT ON TABLE listened_customer IS 'Customers that somebody, who sees them with all below them, listens to on some server: what comes in of them is counted for that. Rows are deleted when they are over.';
COMMENT ON COLUMN listened_customer.provider_id IS 'The provider.';
COMMENT ON COLUMN listened_customer.customer_id IS 'The customer.';
COMMENT ON COLUMN listened_customer.until IS 'When it is over, unless a server says before that somebody still listens.';

CREATE TABLE listened_minute (
    provider_id integer NOT NULL,
    customer_id integer NOT NULL,
    minute      timestamptz NOT NULL,
    slot        smallint NOT NULL,
    stored      bigint NOT NULL,
    duplicates  bigint NOT NULL,
    conflicts   bigint NOT NULL,
    CONSTRAINT listened_minute_pkey PRIMARY KEY (provider_id, customer_id, minute, slot),
    CONSTRAINT listened_minute_customer_fkey FOREIGN KEY (provider_id, customer_id)
        REFERENCES customer (provider_id, customer_id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX listened_minute_minute_idx ON listened_minute (minute);
COMMENT ON TABLE listened_minute IS 'Readings received of customers that somebody listens to, with all below them, by minute and verdict, counted in the transactions that stored them. Rows are deleted after some minutes.';
COMMENT ON COLUMN listened_minute.provider_id IS 'The provider.';
COMMENT ON COLUMN listened_minute.customer_id IS 'The customer that counts, with all below it.';
COMMENT ON COLUMN listened_minute.minute IS 'The beginning of the minute in which they were received.';
COMMENT ON COLUMN listened_minute.slot IS 'A minute is spread over some rows, so that those who store at the same time do not wait for each other.';
COMMENT ON COLUMN listened_minute.stored IS 'New, and committed.';
COMMENT ON COLUMN listened_minute.duplicates IS 'There already with the same value.';
COMMENT ON COLUMN listened_minute.conflicts IS 'There already with another value.';
