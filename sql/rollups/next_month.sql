-- rollups.next_month: the UTC month of the newest ($1) or the oldest pending change; null when nothing is pending
SELECT date_trunc('month', CASE WHEN $1 THEN (SELECT max(hour) FROM reading_change)
                                ELSE (SELECT min(hour) FROM reading_change) END, 'UTC')
