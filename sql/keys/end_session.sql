-- keys.end_session: the session $1, if its secret is $2
DELETE FROM browser_session WHERE lookup = $1 AND secret_hash = $2 RETURNING uuid
