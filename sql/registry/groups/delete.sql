-- groups.delete: refused by a foreign key while a device is or was in it
DELETE FROM device_group WHERE group_id = $1
