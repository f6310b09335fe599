-- A row of this day or month changes every few seconds, and so do those beside it: a page is filled by half, so that their
-- next versions come into the same page and nothing is written to the indexes.
ALTER TABLE {name} SET (fillfactor = 50);
