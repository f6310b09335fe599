-- doctor.others: connections of others than Meterbase
SELECT count(*)
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND application_name NOT LIKE 'meterbase%'
