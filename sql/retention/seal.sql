-- retention.seal: nothing is recomputed from what is no longer kept of $1
UPDATE kept_from SET dropped_before = since, updated_at = now() WHERE relation = $1
