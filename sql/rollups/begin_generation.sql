-- rollups.begin_generation
INSERT INTO rollup_generation (edition, fingerprint, fingerprint_around) VALUES ($1, $2, $3)
