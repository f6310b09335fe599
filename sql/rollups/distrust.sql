-- rollups.distrust: has the pending changes in [$1, $2) that only added readings followed by recomputing: figures may hold
-- them already
UPDATE reading_change SET until = NULL, readings = NULL WHERE hour >= $1 AND hour < $2 AND readings IS NOT NULL
