-- usage.owners: figures per metric, series and period from a rollup of customers, groups or providers, or how
-- many devices each has from one of channels. The words in braces stand for constants of the program, never for anything that a caller sent.
SELECT r.metric_id, s.label, {period} AS period, {figures}
FROM {rollup} r
JOIN unnest($6::integer[], $7::text[]) AS s (owner_id, label) ON s.owner_id = r.{owner}
WHERE r.metric_id = ANY ($1::integer[])
  -- Whose: the join says so too, but does not reach into a continuous aggregate, which would be read for all owners.
  AND r.{owner} = ANY ($6::integer[])
  -- Which chunks: UTC buckets, wide enough for any zone.
  AND r.bucket >= $2::timestamptz AND r.bucket < $3::timestamptz
  -- Which days: each owner's own.
  AND ($4::date IS NULL OR r.{day} >= $4) AND ($5::date IS NULL OR r.{day} < $5)
GROUP BY 1, 2, 3
LIMIT $8
