SELECT
    time_bucket('{width}', s.{time}) AS bucket,
    {billing},
    {keys},
{figures}
FROM {source} AS s{scope}{join}{where}
GROUP BY 1, 2, {key_expressions}
