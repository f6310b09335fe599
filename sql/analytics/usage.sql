CREATE OR REPLACE VIEW analytics.{view} WITH (security_barrier) AS
{branches}
