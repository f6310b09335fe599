-- keys.approve: the key of an applicant is for the device $2 from now on
UPDATE api_key SET device_id = $2, applicant = NULL WHERE key_id = $1
