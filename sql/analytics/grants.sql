-- analytics.grants: the statements that let all analysts read the views
SELECT format('GRANT USAGE ON SCHEMA analytics TO %1$I; GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO %1$I', a.role_name)
FROM analyst AS a
JOIN pg_roles AS r ON r.rolname = a.role_name
ORDER BY a.role_name
