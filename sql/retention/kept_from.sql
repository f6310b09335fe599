-- retention.kept_from: from which instant on $1 is kept; no row while nothing of it was dropped
SELECT since FROM kept_from WHERE relation = $1
