-- analytics.there: whether the views ($2) are there, made by what has the fingerprint $1
SELECT EXISTS (SELECT FROM analytics_version WHERE fingerprint = $1)
   AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS v (name) WHERE to_regclass('analytics.' || v.name) IS NULL)
