-- rollups.distrust: has the pending changes in [$1, $2) that only added readings followed by recomputing: figures may hold
-- them already
UPDATE reading_change
SET billing_day = NULL, customers = NULL, groups = NULL, increment_sums = NULL, value_sums = NULL, first_times = NULL,
    counts = NULL, value_mins = NULL, value_maxs = NULL, first_values = NULL, last_times = NULL, last_values = NULL
WHERE hour >= $1 AND hour < $2 AND billing_day IS NOT NULL
