-- rollups.append: adds to {name}, and to all that is made from it, what came in
WITH new_{name} AS MATERIALIZED (
    SELECT {columns} FROM added_{name} JOIN (SELECT channel_id, device_id, metric_id FROM channel) AS c USING (channel_id)){added}
SELECT {changed}
