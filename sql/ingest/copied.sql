-- ingest.copied: notes in the log of changes the readings that were copied into the chunk $1: of each hour the first
-- instant, and where its channels end among all ($5)
SELECT readings_copied($1, $2::timestamptz[], $3::timestamptz[], $4::integer[], $5::integer[])
