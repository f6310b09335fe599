-- ingest.copied: notes in the log of changes the readings that were copied into the chunk $1: of each hour the first instant
-- and the last, and where its channels ($6), each with its number of readings ($7), end among all ($5)
SELECT readings_copied($1, $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::integer[], $6::integer[], $7::integer[])
