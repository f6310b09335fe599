-- analytics.any_anchor: a visible customer whose billing months begin on another day than the first
SELECT FROM customer AS x
WHERE x.billing_anchor > 1 AND x.provider_id = ANY (ARRAY(SELECT provider_id FROM visible_provider))
