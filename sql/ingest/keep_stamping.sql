-- ingest.keep_stamping: keeps what readings of these providers are stamped with as it is until the transaction ends, and
-- tells the version it has; many transactions can hold that at once. Where somebody changes it, it waits, or leaves the
-- provider out, as $2 says. Also gives the transaction its number at once, from
-- which readers tell that it is under way. Tells besides which customers of theirs somebody listens to, and from which instant
-- on readings are kept.
SELECT provider_id, version, listened_customers(provider_id) AS listened,
       (SELECT since FROM kept_from WHERE relation = 'reading') AS kept_from
FROM keep_stamping($1::integer[], $2)
