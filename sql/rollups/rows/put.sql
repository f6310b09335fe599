-- rollups.rows.put: adds what is as it should be to {name}
INSERT INTO {table} ({columns}) SELECT {columns} FROM fresh_{name}
