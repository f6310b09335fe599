-- retention.know_oldest_chunk: notes where the oldest chunk of readings begins; null for none
UPDATE rollup_generation SET oldest_chunk = $1
WHERE generation_id = (SELECT max(generation_id) FROM rollup_generation) AND oldest_chunk IS DISTINCT FROM $1
