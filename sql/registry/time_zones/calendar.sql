-- time_zones.calendar: what holds for the customer $1, oldest first
SELECT nullif(first_day, '-infinity') AS "from", nullif(since, '-infinity') AS start, time_zone
FROM customer_calendars(ARRAY[$1::integer])
ORDER BY first_day
