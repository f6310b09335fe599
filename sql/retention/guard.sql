-- retention.guard: what is materialised in {table} before {since} stays as it is, whoever refreshes it
CREATE OR REPLACE TRIGGER figures_kept BEFORE DELETE ON {table} FOR EACH ROW
    WHEN (OLD.bucket < '{since}'::timestamptz) EXECUTE FUNCTION keep_figures();
CREATE OR REPLACE TRIGGER figures_not_added BEFORE INSERT ON {table} FOR EACH ROW
    WHEN (NEW.bucket < '{since}'::timestamptz) EXECUTE FUNCTION keep_figures();
