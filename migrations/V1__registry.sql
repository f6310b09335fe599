-- The registry: who meters what for whom. Small tables, ordinary PostgreSQL.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- A key is chosen by the caller and must not look like a UUID, so that one text can name an entity either way.
CREATE DOMAIN entity_key AS text
    CONSTRAINT entity_key_format CHECK (VALUE ~ '^[A-Za-z0-9._:~-]{1,128}$'
        AND VALUE !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$');
COMMENT ON DOMAIN entity_key IS 'A key chosen by the caller: 1 to 128 of A-Z a-z 0-9 . _ : ~ -, not shaped like a UUID.';

-- AT TIME ZONE raises an error for a zone that PostgreSQL does not know; as a check it gets a constraint's name.
CREATE FUNCTION is_time_zone(name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN (timestamptz '2000-01-01 00:00:00Z' AT TIME ZONE name) IS NOT NULL;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION is_time_zone(text) IS 'Whether this server knows a time zone of this name.';

CREATE DOMAIN time_zone_name AS text
    CONSTRAINT time_zone_name_known CHECK (VALUE IS NULL OR is_time_zone(VALUE));
COMMENT ON DOMAIN time_zone_name IS 'An IANA time zone, such as Europe/Paris.';

CREATE TABLE provider (
    provider_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT provider_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT provider_uuid_key UNIQUE,
    key         entity_key NOT NULL CONSTRAINT provider_key_key UNIQUE,
    name        text NOT NULL CONSTRAINT provider_name_length CHECK (length(name) BETWEEN 1 AND 256),
    time_zone   time_zone_name NOT NULL DEFAULT 'UTC',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE provider IS 'The tenants. Every other entity belongs to exactly one provider.';
COMMENT ON COLUMN provider.provider_id IS 'Number of the provider inside the database.';
COMMENT ON COLUMN provider.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN provider.key IS 'Key chosen by the operator, unique in this database.';
COMMENT ON COLUMN provider.name IS 'Name for people.';
COMMENT ON COLUMN provider.time_zone IS 'Billing time zone of customers that have none of their own or inherited.';
COMMENT ON COLUMN provider.created_at IS 'When the row was created.';
COMMENT ON COLUMN provider.updated_at IS 'When the row last changed.';

CREATE TABLE customer (
    customer_id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT customer_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT customer_uuid_key UNIQUE,
    provider_id integer NOT NULL CONSTRAINT customer_provider_fkey REFERENCES provider,
    key         entity_key NOT NULL,
    name        text NOT NULL CONSTRAINT customer_name_length CHECK (length(name) BETWEEN 1 AND 256),
    parent_id   integer,
    time_zone   time_zone_name,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_key_key UNIQUE (provider_id, key),
    CONSTRAINT customer_provider_customer_key UNIQUE (provider_id, customer_id),
    CONSTRAINT customer_parent_fkey FOREIGN KEY (provider_id, parent_id) REFERENCES customer (provider_id, customer_id)
);
CREATE INDEX customer_parent_idx ON customer (parent_id);
COMMENT ON TABLE customer IS 'Customers and, through parent_id, their sub-customers to any depth.';
COMMENT ON COLUMN customer.customer_id IS 'Number of the customer inside the database, as stamped on readings.';
COMMENT ON COLUMN customer.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN customer.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN customer.key IS 'Key chosen by the provider, unique among its customers.';
COMMENT ON COLUMN customer.name IS 'Name for people.';
COMMENT ON COLUMN customer.parent_id IS 'The customer above it, of the same provider; null at the top.';
COMMENT ON COLUMN customer.time_zone IS 'Billing time zone; null inherits the parent''s, then the provider''s.';
COMMENT ON COLUMN customer.created_at IS 'When the row was created.';
COMMENT ON COLUMN customer.updated_at IS 'When the row last changed.';

CREATE TABLE device_group (
    group_id    integer GENERATED ALWAYS AS IDENTITY CONSTRAINT device_group_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT device_group_uuid_key UNIQUE,
    provider_id integer NOT NULL CONSTRAINT device_group_provider_fkey REFERENCES provider,
    customer_id integer NOT NULL,
    key         entity_key NOT NULL,
    name        text NOT NULL CONSTRAINT device_group_name_length CHECK (length(name) BETWEEN 1 AND 256),
    kind        text NOT NULL DEFAULT 'group' CONSTRAINT device_group_kind_length CHECK (length(kind) BETWEEN 1 AND 64),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT device_group_key_key UNIQUE (provider_id, key),
    CONSTRAINT device_group_customer_group_key UNIQUE (customer_id, group_id),
    CONSTRAINT device_group_customer_fkey FOREIGN KEY (provider_id, customer_id) REFERENCES customer (provider_id, customer_id)
);
COMMENT ON TABLE device_group IS 'Named sets of devices of one customer: an application, a gateway group, a site.';
COMMENT ON COLUMN device_group.group_id IS 'Number of the group inside the database, as stamped on readings; 0 there means no group.';
COMMENT ON COLUMN device_group.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN device_group.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN device_group.customer_id IS 'The customer whose devices it holds.';
COMMENT ON COLUMN device_group.key IS 'Key chosen by the provider, unique among its groups.';
COMMENT ON COLUMN device_group.name IS 'Name for people.';
COMMENT ON COLUMN device_group.kind IS 'Free text: group, gateway_group, site...';
COMMENT ON COLUMN device_group.created_at IS 'When the row was created.';
COMMENT ON COLUMN device_group.updated_at IS 'When the row last changed.';

CREATE TABLE device (
    device_id   integer GENERATED ALWAYS AS IDENTITY CONSTRAINT device_pkey PRIMARY KEY,
    uuid        uuid NOT NULL CONSTRAINT device_uuid_key UNIQUE,
    provider_id integer NOT NULL CONSTRAINT device_provider_fkey REFERENCES provider,
    key         entity_key NOT NULL,
    name        text CONSTRAINT device_name_length CHECK (length(name) BETWEEN 1 AND 256),
    kind        text NOT NULL DEFAULT 'device' CONSTRAINT device_kind_length CHECK (length(kind) BETWEEN 1 AND 64),
    retired_at  timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT device_key_key UNIQUE (provider_id, key),
    CONSTRAINT device_provider_device_key UNIQUE (provider_id, device_id)
);
COMMENT ON TABLE device IS 'Anything metered: devices, gateways, integrations.';
COMMENT ON COLUMN device.device_id IS 'Number of the device inside the database.';
COMMENT ON COLUMN device.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN device.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN device.key IS 'Key chosen by the provider, unique among its devices.';
COMMENT ON COLUMN device.name IS 'Name for people; null when none was given.';
COMMENT ON COLUMN device.kind IS 'device, gateway, integration or free text.';
COMMENT ON COLUMN device.retired_at IS 'Since when it is retired; null while it is in service. Its history stays.';
COMMENT ON COLUMN device.created_at IS 'When the row was created.';
COMMENT ON COLUMN device.updated_at IS 'When the row last changed.';

CREATE TABLE assignment (
    assignment_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT assignment_pkey PRIMARY KEY,
    provider_id   integer NOT NULL,
    device_id     integer NOT NULL,
    customer_id   integer NOT NULL,
    group_id      integer,
    during        tstzrange NOT NULL CONSTRAINT assignment_during_half_open
                  CHECK (NOT isempty(during) AND NOT upper_inc(during) AND (lower_inc(during) OR lower_inf(during))),
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT assignment_device_fkey FOREIGN KEY (provider_id, device_id) REFERENCES device (provider_id, device_id),
    CONSTRAINT assignment_customer_fkey FOREIGN KEY (provider_id, customer_id) REFERENCES customer (provider_id, customer_id),
    CONSTRAINT assignment_group_fkey FOREIGN KEY (customer_id, group_id) REFERENCES device_group (customer_id, group_id),
    CONSTRAINT assignment_no_overlap EXCLUDE USING gist (device_id WITH =, during WITH &&)
);
CREATE INDEX assignment_customer_idx ON assignment (customer_id);
CREATE INDEX assignment_group_idx ON assignment (group_id);
COMMENT ON TABLE assignment IS 'Which customer and group a device belonged to, and when. Ranges of one device never overlap.';
COMMENT ON COLUMN assignment.assignment_id IS 'Number of the assignment.';
COMMENT ON COLUMN assignment.provider_id IS 'The provider of device and customer.';
COMMENT ON COLUMN assignment.device_id IS 'The device.';
COMMENT ON COLUMN assignment.customer_id IS 'The customer that owned it in this time.';
COMMENT ON COLUMN assignment.group_id IS 'The group of that customer it was in; null for none.';
COMMENT ON COLUMN assignment.during IS 'The time, half-open. A first assignment has no lower bound, so that history sent later has an owner.';
COMMENT ON COLUMN assignment.created_at IS 'When the row was created.';

CREATE TABLE metric (
    metric_id    integer GENERATED ALWAYS AS IDENTITY CONSTRAINT metric_pkey PRIMARY KEY,
    uuid         uuid NOT NULL CONSTRAINT metric_uuid_key UNIQUE,
    provider_id  integer NOT NULL CONSTRAINT metric_provider_fkey REFERENCES provider,
    key          entity_key NOT NULL,
    name         text NOT NULL CONSTRAINT metric_name_length CHECK (length(name) BETWEEN 1 AND 256),
    unit         text NOT NULL CONSTRAINT metric_unit_length CHECK (length(unit) <= 32),
    kind         text NOT NULL CONSTRAINT metric_kind_known CHECK (kind IN ('delta', 'register', 'gauge')),
    scale        smallint NOT NULL DEFAULT 3 CONSTRAINT metric_scale_range CHECK (scale BETWEEN 0 AND 9),
    strict       boolean NOT NULL DEFAULT false,
    rollover_at  bigint CONSTRAINT metric_rollover_at_positive CHECK (rollover_at > 0),
    max_per_hour bigint CONSTRAINT metric_max_per_hour_positive CHECK (max_per_hour > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT metric_key_key UNIQUE (provider_id, key),
    CONSTRAINT metric_provider_metric_key UNIQUE (provider_id, metric_id),
    CONSTRAINT metric_register_settings CHECK (kind = 'register' OR (rollover_at IS NULL AND max_per_hour IS NULL))
);
COMMENT ON TABLE metric IS 'What is counted. The server never knows what a metric means.';
COMMENT ON COLUMN metric.metric_id IS 'Number of the metric inside the database.';
COMMENT ON COLUMN metric.uuid IS 'Public id (UUIDv7), never reused.';
COMMENT ON COLUMN metric.provider_id IS 'The provider it belongs to.';
COMMENT ON COLUMN metric.key IS 'Key chosen by the provider, unique among its metrics.';
COMMENT ON COLUMN metric.name IS 'Name for people.';
COMMENT ON COLUMN metric.unit IS 'Unit of the values, such as kWh; may be empty.';
COMMENT ON COLUMN metric.kind IS 'delta: a value is an amount used; register: a value is a meter''s running total; gauge: a value is a level.';
COMMENT ON COLUMN metric.scale IS 'Decimals kept, 0 to 9. A stored value is the decimal times 10 to this power.';
COMMENT ON COLUMN metric.strict IS 'Whether a value with more decimals than scale is rejected rather than rounded half to even.';
COMMENT ON COLUMN metric.rollover_at IS 'Scaled value at which a register starts again at zero (100000 for a five-digit meter); null for never.';
COMMENT ON COLUMN metric.max_per_hour IS 'Scaled increment an hour above which a register''s jump is not believed; null for no limit.';
COMMENT ON COLUMN metric.created_at IS 'When the row was created.';
COMMENT ON COLUMN metric.updated_at IS 'When the row last changed.';

CREATE TABLE channel (
    channel_id  integer GENERATED ALWAYS AS IDENTITY CONSTRAINT channel_pkey PRIMARY KEY,
    provider_id integer NOT NULL,
    device_id   integer NOT NULL,
    metric_id   integer NOT NULL,
    dimensions  jsonb NOT NULL DEFAULT '{}' CONSTRAINT channel_dimensions_object CHECK (jsonb_typeof(dimensions) = 'object'),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT channel_device_fkey FOREIGN KEY (provider_id, device_id) REFERENCES device (provider_id, device_id),
    CONSTRAINT channel_metric_fkey FOREIGN KEY (provider_id, metric_id) REFERENCES metric (provider_id, metric_id),
    CONSTRAINT channel_device_metric_dimensions_key UNIQUE (device_id, metric_id, dimensions)
);
CREATE INDEX channel_metric_idx ON channel (metric_id);
COMMENT ON TABLE channel IS 'One stream of readings: a device, a metric and a set of dimensions. Rows never change.';
COMMENT ON COLUMN channel.channel_id IS 'Number of the channel, as stamped on readings.';
COMMENT ON COLUMN channel.provider_id IS 'The provider of device and metric.';
COMMENT ON COLUMN channel.device_id IS 'The device.';
COMMENT ON COLUMN channel.metric_id IS 'The metric.';
COMMENT ON COLUMN channel.dimensions IS 'Names and values that tell streams of one device and metric apart; an empty object for none.';
COMMENT ON COLUMN channel.created_at IS 'When the first reading of the channel arrived.';

-- Kind and scale give every stored value its meaning, so they are fixed from the first reading on.
CREATE FUNCTION metric_fixed_once_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM channel WHERE metric_id = NEW.metric_id) THEN
        RAISE EXCEPTION 'kind and scale of metric % are fixed: it has readings', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'metric_fixed_once_used', TABLE = 'metric';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION metric_fixed_once_used() IS 'Refuses a change of kind or scale of a metric that has readings.';
CREATE TRIGGER metric_fixed_once_used BEFORE UPDATE ON metric FOR EACH ROW
    WHEN (OLD.kind IS DISTINCT FROM NEW.kind OR OLD.scale IS DISTINCT FROM NEW.scale)
    EXECUTE FUNCTION metric_fixed_once_used();

-- Callers hold the provider's lock exclusively while parents change, so two moves cannot make a cycle together.
CREATE FUNCTION customer_no_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        WITH RECURSIVE above (customer_id) AS (
            SELECT NEW.parent_id
            UNION
            SELECT c.parent_id FROM above JOIN customer c USING (customer_id))
        SELECT FROM above WHERE customer_id = NEW.customer_id
    ) THEN
        RAISE EXCEPTION 'customer % would be above itself', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'customer_no_cycle', TABLE = 'customer';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION customer_no_cycle() IS 'Refuses a parent that is the customer itself or below it.';
CREATE TRIGGER customer_no_cycle BEFORE UPDATE ON customer FOR EACH ROW
    WHEN (NEW.parent_id IS NOT NULL AND OLD.parent_id IS DISTINCT FROM NEW.parent_id)
    EXECUTE FUNCTION customer_no_cycle();
