-- What the tests write down behind the platform's back: every write of a bar, every end of a unit, every change of a
-- run's state, at once visible when it is committed. A thing done twice is two rows here, whatever the tables show.
CREATE TABLE chaos_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    key text NOT NULL,
    run_id text,
    state text
);

CREATE FUNCTION chaos_note_bar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_audit (kind, key, state)
    VALUES ('bar', coalesce(NEW.session, OLD.session) || ' ' || coalesce(NEW.security_id, OLD.security_id), TG_OP);
    RETURN NULL;
END $$;

CREATE FUNCTION chaos_note_unit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_audit (kind, key, run_id, state)
    VALUES ('unit', NEW.dataset || ' ' || NEW.venue || ' ' || NEW.scope, NEW.run_id, NEW.state);
    RETURN NULL;
END $$;

CREATE FUNCTION chaos_note_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR (OLD.state, OLD.attempts) IS DISTINCT FROM (NEW.state, NEW.attempts) THEN
        INSERT INTO chaos_audit (kind, key, run_id, state) VALUES ('run', NEW.attempts, NEW.id, NEW.state);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER chaos AFTER INSERT OR UPDATE OR DELETE ON bars FOR EACH ROW EXECUTE FUNCTION chaos_note_bar();
CREATE TRIGGER chaos AFTER INSERT OR UPDATE ON units FOR EACH ROW EXECUTE FUNCTION chaos_note_unit();
CREATE TRIGGER chaos AFTER INSERT OR UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION chaos_note_run();
