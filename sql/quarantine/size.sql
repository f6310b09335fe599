-- quarantine.size: how many readings are in quarantine
SELECT coalesce(sum(readings), 0)::bigint FROM quarantine_size
