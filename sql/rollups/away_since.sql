-- rollups.away_since: when a refresher was last done with all changes, to within an hour; and whether that is more than
-- an hour, and more than a day, ago
SELECT followed_at,
       coalesce(followed_at < now() - interval '1 hour', true) AS an_hour,
       coalesce(followed_at < now() - interval '1 day', false) AS a_day
FROM rollup_generation
ORDER BY generation_id DESC
LIMIT 1
