-- verify.begin: notes a run that begins
INSERT INTO verification (scope, from_ts, to_ts) VALUES ($1, $2, $3) RETURNING verification_id
