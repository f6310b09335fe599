-- rollups.rows.above: notes what of {above} lies above the rows that were touched
INSERT INTO touched_{above}
{select}
ON CONFLICT DO NOTHING
