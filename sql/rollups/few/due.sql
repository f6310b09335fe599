-- rollups.few.due: whether something of {name} was touched that is due and not materialised, between $1 and $2
SELECT EXISTS (SELECT FROM touched_{name} WHERE bucket >= coalesce($1, '-infinity') AND bucket < $2)
