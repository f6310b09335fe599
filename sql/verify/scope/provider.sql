-- verify.scope.provider: the provider of a key
SELECT provider_id FROM provider WHERE key::text = $1
