-- rollups.still_pending: whether changes are left that were pending at the instant $1, of which $2 is the snapshot: what was
-- under way then came later. (A number of a transaction that there was none of yet is of another database, which was
-- restored here.)
SELECT EXISTS (
    SELECT FROM reading_change
    WHERE changed_at <= $1
      AND (pg_visible_in_snapshot(changed_by, $2::pg_snapshot) OR changed_by >= pg_snapshot_xmax(pg_current_snapshot())))
