-- ingest.copied: notes in the log of changes the readings that were copied into the chunk $1: for each of its rows the hour
-- ($2), the billing day ($5) and where its channels end ($3) among all ($4), and whose they were and what they add up to
SELECT readings_copied($1, $2::timestamptz[], $3::integer[], $4::integer[], $5::date[], $6::integer[], $7::integer[],
                       $8::bigint[], $9::bigint[], $10::timestamptz[], $11::integer[], $12::bigint[], $13::bigint[],
                       $14::bigint[], $15::timestamptz[], $16::bigint[])
