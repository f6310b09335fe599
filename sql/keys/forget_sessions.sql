-- keys.forget_sessions: some that have ended, and of the key or token of the session $1 those before the newest ($2 many)
DELETE FROM browser_session
WHERE session_id IN (
    SELECT session_id FROM browser_session WHERE expires_at < now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)
   OR session_id IN (
    SELECT s.session_id
    FROM browser_session mine
    JOIN browser_session s ON s.key_id = mine.key_id OR s.token_id = mine.token_id
    WHERE mine.lookup = $1
    ORDER BY s.session_id DESC
    OFFSET $2)
