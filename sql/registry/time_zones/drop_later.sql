-- time_zones.drop_later: from the day $2 on, what was said of the customer's time zone no longer holds; without $2 nothing
-- of it does. The same change ($3) stays as it is.
DELETE FROM customer_time_zone
WHERE customer_id = $1
  AND ($2::date IS NULL OR from_day > $2 OR (from_day = $2 AND time_zone::text IS DISTINCT FROM $3::text))
