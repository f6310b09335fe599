-- profiles.delete
DELETE FROM profile WHERE provider_id = $1 AND key::text = $2
