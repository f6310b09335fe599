-- Events: what happened that somebody wants to be told, and the webhooks that tell it.

CREATE TABLE event (
    event_id    bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT event_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT event_uuid_key UNIQUE,
    provider_id integer NOT NULL CONSTRAINT event_provider_fkey REFERENCES provider,
    customer_id integer,
    type        text NOT NULL CONSTRAINT event_type_format CHECK (type ~ '^[a-z_]{1,32}\.[a-z_]{1,32}$'),
    subject     text NOT NULL CONSTRAINT event_subject_length CHECK (length(subject) BETWEEN 1 AND 256),
    at          timestamptz NOT NULL,
    data        jsonb NOT NULL CONSTRAINT event_data_object CHECK (jsonb_typeof(data) = 'object')
                CONSTRAINT event_data_length CHECK (octet_length(data::text) <= 65536),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_customer_fkey FOREIGN KEY (provider_id, customer_id)
        REFERENCES customer (provider_id, customer_id) ON DELETE CASCADE
);
CREATE INDEX event_provider_idx ON event (provider_id, event_id);
CREATE INDEX event_customer_idx ON event (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX event_recorded_idx ON event (recorded_at);
COMMENT ON TABLE event IS 'What happened, written in the transaction in which it did. Rows never change, and are deleted when they are old.';
COMMENT ON COLUMN event.event_id IS 'Number of the event. Those of a provider are committed in the order of their numbers.';
COMMENT ON COLUMN event.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN event.provider_id IS 'The provider.';
COMMENT ON COLUMN event.customer_id IS 'The customer that it concerns, so that keys for a part of the provider can see it; null for the provider as a whole.';
COMMENT ON COLUMN event.type IS 'What kind of thing happened, such as alert.firing.';
COMMENT ON COLUMN event.subject IS 'Key, or else id, of what it happened to.';
COMMENT ON COLUMN event.at IS 'When it happened.';
COMMENT ON COLUMN event.data IS 'What else is to be told, as the API shows it.';
COMMENT ON COLUMN event.recorded_at IS 'When it was written.';

CREATE TABLE webhook (
    webhook_id      integer GENERATED ALWAYS AS IDENTITY CONSTRAINT webhook_pkey PRIMARY KEY,
    uuid            uuid NOT NULL CONSTRAINT webhook_uuid_key UNIQUE,
    provider_id     integer NOT NULL CONSTRAINT webhook_provider_fkey REFERENCES provider,
    key             entity_key NOT NULL,
    url             text NOT NULL CONSTRAINT webhook_url_length CHECK (length(url) BETWEEN 1 AND 2048),
    events          text[] NOT NULL CONSTRAINT webhook_events_number CHECK (cardinality(events) BETWEEN 1 AND 32),
    enabled         boolean NOT NULL,
    secret          bytea NOT NULL CONSTRAINT webhook_secret_length CHECK (octet_length(secret) BETWEEN 24 AND 64),
    rotated_at      timestamptz,
    previous_secret bytea CONSTRAINT webhook_previous_secret_length CHECK (octet_length(previous_secret) BETWEEN 24 AND 64),
    previous_until  timestamptz,
    failures        integer NOT NULL DEFAULT 0 CONSTRAINT webhook_failures_positive CHECK (failures >= 0),
    failing_since   timestamptz,
    last_success_at timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhook_key_key UNIQUE (provider_id, key),
    CONSTRAINT webhook_failing CHECK ((failures = 0) = (failing_since IS NULL)),
    CONSTRAINT webhook_previous_ends CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);
COMMENT ON TABLE webhook IS 'Addresses of providers that are told of events.';
COMMENT ON COLUMN webhook.webhook_id IS 'Number of the webhook inside the database.';
COMMENT ON COLUMN webhook.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN webhook.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN webhook.key IS 'Key chosen by the provider, unique among its webhooks.';
COMMENT ON COLUMN webhook.url IS 'Where events are posted.';
COMMENT ON COLUMN webhook.events IS 'The types of events that it is told.';
COMMENT ON COLUMN webhook.enabled IS 'Whether it is told anything.';
COMMENT ON COLUMN webhook.secret IS 'Secret that signs what is posted, as it is: signing needs it.';
COMMENT ON COLUMN webhook.rotated_at IS 'When it got its present secret; null for the one it was made with.';
COMMENT ON COLUMN webhook.previous_secret IS 'The secret before the last rotation; null where there was none.';
COMMENT ON COLUMN webhook.previous_until IS 'Until when that one signs too.';
COMMENT ON COLUMN webhook.failures IS 'How many attempts failed since the last that did not.';
COMMENT ON COLUMN webhook.failing_since IS 'When the first of them failed; null where there is none.';
COMMENT ON COLUMN webhook.last_success_at IS 'When it last took an event; null for never.';
COMMENT ON COLUMN webhook.created_at IS 'When the row was created.';
COMMENT ON COLUMN webhook.updated_at IS 'When somebody last changed it.';

CREATE TABLE webhook_delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT webhook_delivery_pkey PRIMARY KEY,
    uuid        uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT webhook_delivery_uuid_key UNIQUE,
    webhook_id  integer NOT NULL CONSTRAINT webhook_delivery_of_webhook_fkey REFERENCES webhook ON DELETE CASCADE,
    event_id    bigint NOT NULL CONSTRAINT webhook_delivery_of_event_fkey REFERENCES event ON DELETE CASCADE,
    state       text NOT NULL DEFAULT 'pending'
                CONSTRAINT webhook_delivery_state_known CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts    integer NOT NULL DEFAULT 0 CONSTRAINT webhook_delivery_attempts_positive CHECK (attempts >= 0),
    due_at      timestamptz NOT NULL,
    retry_until timestamptz NOT NULL,
    claim       uuid,
    created_at  timestamptz NOT NULL,
    done_at     timestamptz,
    CONSTRAINT webhook_delivery_event_key UNIQUE (webhook_id, event_id),
    CONSTRAINT webhook_delivery_done CHECK ((state = 'pending') = (done_at IS NULL)),
    CONSTRAINT webhook_delivery_claimed CHECK (claim IS NULL OR state = 'pending')
);
CREATE INDEX webhook_delivery_due_idx ON webhook_delivery (webhook_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_list_idx ON webhook_delivery (webhook_id, state, delivery_id);
CREATE INDEX webhook_delivery_event_idx ON webhook_delivery (event_id);
COMMENT ON TABLE webhook_delivery IS 'Events that webhooks are to be told, and were. They go with their event.';
COMMENT ON COLUMN webhook_delivery.delivery_id IS 'Number of the delivery.';
COMMENT ON COLUMN webhook_delivery.uuid IS 'Public id, the same in every attempt: whoever is told twice can tell by it.';
COMMENT ON COLUMN webhook_delivery.webhook_id IS 'The webhook.';
COMMENT ON COLUMN webhook_delivery.event_id IS 'The event.';
COMMENT ON COLUMN webhook_delivery.state IS 'pending, delivered, or dead: given up.';
COMMENT ON COLUMN webhook_delivery.attempts IS 'How many attempts there were.';
COMMENT ON COLUMN webhook_delivery.due_at IS 'When the next attempt is due. While a server makes one: when others may take it that it does not any more.';
COMMENT ON COLUMN webhook_delivery.retry_until IS 'After this an attempt that fails is the last.';
COMMENT ON COLUMN webhook_delivery.claim IS 'Drawn by the server that makes an attempt; null while none does. What it finds out counts as long as this stands.';
COMMENT ON COLUMN webhook_delivery.created_at IS 'When the event came.';
COMMENT ON COLUMN webhook_delivery.done_at IS 'When it was delivered or given up; null while it is pending.';

CREATE TABLE webhook_attempt (
    delivery_id bigint NOT NULL CONSTRAINT webhook_attempt_delivery_fkey REFERENCES webhook_delivery ON DELETE CASCADE,
    number      integer NOT NULL,
    at          timestamptz NOT NULL,
    millis      integer NOT NULL,
    status      smallint,
    error       text,
    CONSTRAINT webhook_attempt_pkey PRIMARY KEY (delivery_id, number)
);
COMMENT ON TABLE webhook_attempt IS 'What came of each attempt to deliver an event, the latest of each delivery.';
COMMENT ON COLUMN webhook_attempt.delivery_id IS 'The delivery.';
COMMENT ON COLUMN webhook_attempt.number IS 'From 1.';
COMMENT ON COLUMN webhook_attempt.at IS 'When it began.';
COMMENT ON COLUMN webhook_attempt.millis IS 'How long it took, in milliseconds.';
COMMENT ON COLUMN webhook_attempt.status IS 'Status of the answer; null where there was none.';
COMMENT ON COLUMN webhook_attempt.error IS 'Why it failed; null where it did not.';
