-- analytics.may_create: who asks, and whether it may create roles
SELECT current_user::text, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user
