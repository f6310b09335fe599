-- bench.empty: forgets the readings and all that follows from them
TRUNCATE reading;
TRUNCATE reading_change
