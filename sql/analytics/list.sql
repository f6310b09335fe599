-- analytics.list
SELECT a.role_name::text AS role, p.key::text AS provider, a.created_at, coalesce(r.rolcanlogin, false) AS usable,
       r.rolconnlimit AS connections,
       (SELECT count(*) FROM pg_stat_activity AS s
        WHERE s.usename = a.role_name AND s.datname = current_database()) AS connected
FROM analyst AS a
LEFT JOIN provider AS p USING (provider_id)
LEFT JOIN pg_roles AS r ON r.rolname = a.role_name
ORDER BY a.created_at, a.role_name
