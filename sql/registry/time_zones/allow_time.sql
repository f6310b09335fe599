-- time_zones.allow_time: a customer may have very many readings to be stamped anew
SELECT set_config('statement_timeout', '30min', true)
