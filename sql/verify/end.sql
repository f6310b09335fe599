-- verify.end: notes what a run found
UPDATE verification
SET finished_at = clock_timestamp(), compared = $2, differences = $3, left_out = $4
WHERE verification_id = $1
