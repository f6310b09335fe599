-- rollups.forget_hours: deletes the changes of the hours $1 that the snapshot $2 saw; later ones stay pending
DELETE FROM reading_change
WHERE hour = ANY ($1) AND pg_visible_in_snapshot(changed_by, $2::pg_snapshot)
