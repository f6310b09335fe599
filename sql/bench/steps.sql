-- bench.steps: what is loaded already, kept beside the data
CREATE TABLE IF NOT EXISTS bench_step (
    step    text CONSTRAINT bench_step_pkey PRIMARY KEY,
    rollup  text NOT NULL,
    rows    bigint NOT NULL,
    seconds double precision NOT NULL
)
