-- retention.forget_dropped: changes in readings that are gone; tells in how many hours
WITH forgotten AS (
    DELETE FROM reading_change
    WHERE hour < (SELECT dropped_before FROM kept_from WHERE relation = 'reading')
    RETURNING hour)
SELECT count(DISTINCT hour) FROM forgotten
