-- rollups.forget_hours: deletes the changes up to hour $1 that the snapshot $2 saw; later ones stay pending
DELETE FROM reading_change
WHERE hour <= $1 AND pg_visible_in_snapshot(changed_by, $2::pg_snapshot)
