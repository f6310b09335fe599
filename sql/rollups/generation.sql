-- rollups.generation: what the newest rollups were made by
SELECT edition, fingerprint, fingerprint_around FROM rollup_generation ORDER BY generation_id DESC LIMIT 1
