-- quarantine.explain: readings that stay, with what speaks against them now
UPDATE quarantine q
SET code = now.code, detail = now.detail
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS now (quarantine_id, code, detail)
WHERE q.quarantine_id = now.quarantine_id AND (q.code, q.detail) IS DISTINCT FROM (now.code, now.detail)
