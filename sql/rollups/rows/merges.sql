-- rollups.rows.merges: whether refreshes merge: then they look whether there are rows before they take a lock
SELECT coalesce(current_setting('timescaledb.enable_merge_on_cagg_refresh', true), 'off') <> 'off'
