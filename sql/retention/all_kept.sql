-- retention.all_kept: from which instant on readings and rollups are kept, where it is not for ever
SELECT relation, since FROM kept_from
