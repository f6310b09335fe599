-- Alerts: what providers want to be told of their figures.

CREATE TABLE alert (
    alert_id    integer GENERATED ALWAYS AS IDENTITY CONSTRAINT alert_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT alert_uuid_key UNIQUE,
    provider_id integer NOT NULL CONSTRAINT alert_provider_fkey REFERENCES provider,
    key         entity_key NOT NULL,
    name        text NOT NULL CONSTRAINT alert_name_length CHECK (length(name) BETWEEN 1 AND 256),
    customer_id integer,
    group_id    integer,
    device_id   integer,
    metric_id   integer,
    rule        jsonb NOT NULL CONSTRAINT alert_rule_object CHECK (jsonb_typeof(rule) = 'object'),
    version     integer NOT NULL DEFAULT 1 CONSTRAINT alert_version_positive CHECK (version > 0),
    state       text NOT NULL DEFAULT 'ok' CONSTRAINT alert_state_known CHECK (state IN ('ok', 'firing', 'resolved')),
    changed_at  timestamptz,
    memory      jsonb NOT NULL DEFAULT '{"passed": []}' CONSTRAINT alert_memory_object CHECK (jsonb_typeof(memory) = 'object'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT alert_key_key UNIQUE (provider_id, key),
    CONSTRAINT alert_one_scope CHECK (num_nonnulls(customer_id, group_id, device_id) <= 1),
    CONSTRAINT alert_customer_fkey FOREIGN KEY (provider_id, customer_id)
        REFERENCES customer (provider_id, customer_id) ON DELETE CASCADE,
    CONSTRAINT alert_group_fkey FOREIGN KEY (provider_id, group_id)
        REFERENCES device_group (provider_id, group_id) ON DELETE CASCADE,
    CONSTRAINT alert_device_fkey FOREIGN KEY (provider_id, device_id) REFERENCES device (provider_id, device_id),
    CONSTRAINT alert_metric_fkey FOREIGN KEY (provider_id, metric_id) REFERENCES metric (provider_id, metric_id)
);
CREATE INDEX alert_customer_idx ON alert (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX alert_group_idx ON alert (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX alert_device_idx ON alert (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX alert_metric_idx ON alert (metric_id) WHERE metric_id IS NOT NULL;
COMMENT ON TABLE alert IS 'What providers want to be told of their figures, and how it stands. Alerts end with their customer or group.';
COMMENT ON COLUMN alert.alert_id IS 'Number of the alert.';
COMMENT ON COLUMN alert.uuid IS 'Public id (UUIDv7).';
COMMENT ON COLUMN alert.provider_id IS 'The provider.';
COMMENT ON COLUMN alert.key IS 'Key chosen by the provider, unique among its alerts.';
COMMENT ON COLUMN alert.name IS 'Name for people.';
COMMENT ON COLUMN alert.customer_id IS 'The customer that it is of, with all below it; null where it is of a group, a device or the whole provider.';
COMMENT ON COLUMN alert.group_id IS 'The group that it is of; null for none.';
COMMENT ON COLUMN alert.device_id IS 'The device that it is of; null for none.';
COMMENT ON COLUMN alert.metric_id IS 'The metric whose figures it is about; null where it is about none.';
COMMENT ON COLUMN alert.rule IS 'When it fires, as the API shows it.';
COMMENT ON COLUMN alert.version IS 'Grows with each change of scope, rule or memory; what was judged of another version is not written.';
COMMENT ON COLUMN alert.state IS 'ok while it never fired, firing, or resolved.';
COMMENT ON COLUMN alert.changed_at IS 'Since when it has this state; null while it is ok.';
COMMENT ON COLUMN alert.memory IS 'What is remembered from one look at the figures to the next: since when it is looked at, and which periods passed a step.';
COMMENT ON COLUMN alert.created_at IS 'When the row was created.';
COMMENT ON COLUMN alert.updated_at IS 'When somebody last changed it.';

CREATE TABLE alert_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT alert_history_pkey PRIMARY KEY,
    alert_id   integer NOT NULL CONSTRAINT alert_history_alert_fkey REFERENCES alert ON DELETE CASCADE,
    at         timestamptz NOT NULL,
    state      text NOT NULL CONSTRAINT alert_history_state_known CHECK (state IN ('firing', 'resolved')),
    told       jsonb NOT NULL CONSTRAINT alert_history_told_object CHECK (jsonb_typeof(told) = 'object')
);
CREATE INDEX alert_history_alert_idx ON alert_history (alert_id, history_id);
CREATE INDEX alert_history_at_idx ON alert_history (at);
COMMENT ON TABLE alert_history IS 'When alerts fired and resolved. Rows never change, and are deleted when they are old.';
COMMENT ON COLUMN alert_history.history_id IS 'Number of the row.';
COMMENT ON COLUMN alert_history.alert_id IS 'The alert.';
COMMENT ON COLUMN alert_history.at IS 'When it was judged.';
COMMENT ON COLUMN alert_history.state IS 'Whether it fired or resolved.';
COMMENT ON COLUMN alert_history.told IS 'What was told of it: period, value, step and why it resolved, as the API shows it.';
