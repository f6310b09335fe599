-- schema.rights: what the migrations need and the role may not have; btree_gist is a trusted extension
SELECT current_user::text AS role,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist') AS gist_available,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist')
           OR has_database_privilege(current_database(), 'CREATE') AS may_have_gist,
       has_schema_privilege('public', 'CREATE') AS may_create,
       coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'analytics'),
                has_database_privilege(current_database(), 'CREATE')) AS may_have_analytics
