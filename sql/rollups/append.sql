-- rollups.append: adds to {name}, and to all that is made from it, what came in
WITH new_{name} AS MATERIALIZED (
{select}){added}
SELECT {changed}
