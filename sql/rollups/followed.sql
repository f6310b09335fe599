-- rollups.followed: a refresher is done with all changes
UPDATE rollup_generation SET followed_at = now()
WHERE generation_id = (SELECT max(generation_id) FROM rollup_generation)
