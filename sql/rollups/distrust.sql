-- rollups.distrust: has the pending changes that only added readings followed by recomputing, where {refreshed}: figures
-- may hold them already
UPDATE reading_change AS c
SET billing_day = NULL, customers = NULL, groups = NULL, increment_sums = NULL, value_sums = NULL, first_times = NULL,
    counts = NULL, value_mins = NULL, value_maxs = NULL, first_values = NULL, last_times = NULL, last_values = NULL
WHERE c.billing_day IS NOT NULL AND {refreshed}
