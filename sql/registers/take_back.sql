-- registers.take_back: a replacement that never was
DELETE FROM replacement WHERE replacement_id = $1
