-- rollups.replaced_around: what is around the newest rollups was replaced
UPDATE rollup_generation SET fingerprint_around = $1
WHERE generation_id = (SELECT max(generation_id) FROM rollup_generation)
