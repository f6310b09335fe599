-- quarantine.due: of the provider whose turn it is, what readings in quarantine were waiting for; nobody else works on it
-- until the transaction ends
WITH next AS MATERIALIZED (
    SELECT provider_id FROM quarantine_due ORDER BY turn LIMIT 1 FOR UPDATE SKIP LOCKED)
SELECT provider_id, kind, name, behind
FROM quarantine_due
WHERE provider_id = (SELECT provider_id FROM next)
ORDER BY turn
LIMIT $1
FOR UPDATE SKIP LOCKED
