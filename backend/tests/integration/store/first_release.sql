-- What a database of the first release looked like: the tables of migration 0001, and rows of every kind in them.
-- Written by pg_dump --inserts from such a database; it never changes, for what it stands for does not either.
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.bars (
    session date NOT NULL,
    security_id integer NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    volume bigint,
    turnover bigint,
    open integer,
    high integer,
    low integer,
    close integer,
    change integer,
    trades integer,
    CONSTRAINT bars_amounts_not_negative CHECK (((volume >= 0) AND (turnover >= 0) AND (trades >= 0))),
    CONSTRAINT bars_change_in_range CHECK ((change > '-2147483648'::integer)),
    CONSTRAINT bars_prices_positive CHECK (((open > 0) AND (high > 0) AND (low > 0) AND (close > 0)))
);
CREATE TABLE public.provenance (
    singleton boolean DEFAULT true NOT NULL,
    source text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT provenance_one_row CHECK (singleton)
);
CREATE TABLE public.quarantine (
    id bigint NOT NULL,
    venue text NOT NULL,
    dataset text NOT NULL,
    session date,
    symbol text,
    rule text NOT NULL,
    reason text NOT NULL,
    raw jsonb NOT NULL,
    run_id text,
    seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    CONSTRAINT quarantine_venue_known CHECK ((venue = ANY (ARRAY['TWSE'::text, 'TPEX'::text, 'EMERGING'::text])))
);
ALTER TABLE public.quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.revisions (
    id bigint NOT NULL,
    security_id integer NOT NULL,
    session date NOT NULL,
    field text NOT NULL,
    old bigint NOT NULL,
    new bigint,
    source text NOT NULL,
    run_id text,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT revisions_a_change CHECK ((old IS DISTINCT FROM new)),
    CONSTRAINT revisions_field_known CHECK ((field = ANY (ARRAY['open'::text, 'high'::text, 'low'::text, 'close'::text, 'change'::text, 'volume'::text, 'turnover'::text, 'trades'::text])))
);
ALTER TABLE public.revisions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.revisions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.runs (
    id text NOT NULL,
    task text NOT NULL,
    parameters jsonb NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    reason text,
    queued_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    worker text,
    attempts integer DEFAULT 0 NOT NULL,
    expected integer,
    fetched integer,
    stored integer,
    unchanged integer,
    quarantined integer,
    progress jsonb,
    error_type text,
    error text,
    traceback text,
    schedule text,
    due_at timestamp with time zone,
    CONSTRAINT runs_attempts_not_negative CHECK ((attempts >= 0)),
    CONSTRAINT runs_counts_not_negative CHECK (((expected >= 0) AND (fetched >= 0) AND (stored >= 0) AND (unchanged >= 0) AND (quarantined >= 0))),
    CONSTRAINT runs_finished_with_final_state CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['SUCCESS'::text, 'PARTIAL'::text, 'FAILED'::text, 'SKIPPED'::text])))),
    CONSTRAINT runs_schedule_with_due_time CHECK (((schedule IS NULL) = (due_at IS NULL))),
    CONSTRAINT runs_state_known CHECK ((state = ANY (ARRAY['QUEUED'::text, 'STARTED'::text, 'RETRY'::text, 'SUCCESS'::text, 'PARTIAL'::text, 'FAILED'::text, 'SKIPPED'::text]))),
    CONSTRAINT runs_trigger_known CHECK ((trigger = ANY (ARRAY['schedule'::text, 'manual'::text, 'api'::text, 'retry'::text])))
);
CREATE TABLE public.securities (
    id integer NOT NULL,
    symbol text NOT NULL,
    name text NOT NULL,
    venue text NOT NULL,
    kind text NOT NULL,
    isin text,
    listed_on date,
    delisted_on date,
    on_list boolean NOT NULL,
    industry text,
    cfi text,
    first_seen_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT securities_kind_known CHECK ((kind = ANY (ARRAY['stock'::text, 'innovation'::text, 'preferred'::text, 'etf'::text, 'etn'::text, 'tdr'::text, 'reit'::text, 'abs'::text, 'other'::text]))),
    CONSTRAINT securities_listed_or_delisted CHECK ((NOT (on_list AND (delisted_on IS NOT NULL)))),
    CONSTRAINT securities_name_not_empty CHECK ((name <> ''::text)),
    CONSTRAINT securities_symbol_form CHECK ((symbol ~ '^[0-9A-Z]{4,6}$'::text)),
    CONSTRAINT securities_venue_known CHECK ((venue = ANY (ARRAY['TWSE'::text, 'TPEX'::text, 'EMERGING'::text])))
);
ALTER TABLE public.securities ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.securities_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.sessions (
    venue text NOT NULL,
    session date NOT NULL,
    is_open boolean NOT NULL,
    reason text,
    source text NOT NULL,
    recorded_by text,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_source_known CHECK ((source = ANY (ARRAY['override'::text, 'exchange'::text]))),
    CONSTRAINT sessions_venue_known CHECK ((venue = ANY (ARRAY['TWSE'::text, 'TPEX'::text, 'EMERGING'::text])))
);
CREATE TABLE public.units (
    run_id text NOT NULL,
    dataset text NOT NULL,
    venue text NOT NULL,
    scope text NOT NULL,
    session date,
    state text NOT NULL,
    reason text,
    expected integer,
    fetched integer,
    stored integer,
    unchanged integer,
    quarantined integer,
    error_type text,
    error text,
    finished_at timestamp with time zone NOT NULL,
    CONSTRAINT units_counts_not_negative CHECK (((expected >= 0) AND (fetched >= 0) AND (stored >= 0) AND (unchanged >= 0) AND (quarantined >= 0))),
    CONSTRAINT units_state_known CHECK ((state = ANY (ARRAY['SUCCESS'::text, 'PARTIAL'::text, 'FAILED'::text, 'SKIPPED'::text]))),
    CONSTRAINT units_venue_known CHECK ((venue = ANY (ARRAY['TWSE'::text, 'TPEX'::text, 'EMERGING'::text])))
);
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.bars VALUES ('2026-11-16', 1, '2026-11-16 07:00:00+00', 11000, 200000, 1001100, 1006100, 996100, 1002100, 99, 6);
INSERT INTO public.bars VALUES ('2026-11-17', 1, '2026-11-17 07:00:00+00', 21000, 300000, 1001200, 1006200, 996200, 1002200, 98, 7);
INSERT INTO public.bars VALUES ('2026-11-18', 1, '2026-11-18 07:00:00+00', 31000, 400000, 1001300, 1006300, 996300, 1002300, 97, 8);
INSERT INTO public.bars VALUES ('2026-11-19', 1, '2026-11-19 07:00:00+00', 41000, 500000, 1001400, 1006400, 996400, 1002400, 96, 9);
INSERT INTO public.bars VALUES ('2026-11-20', 1, '2026-11-20 07:00:00+00', 51000, 600000, 1001500, 1006500, 996500, 1002500, 95, 10);
INSERT INTO public.bars VALUES ('2026-11-16', 2, '2026-11-16 07:00:00+00', 12000, 300000, 1002100, 1007100, 997100, 1003100, 99, 11);
INSERT INTO public.bars VALUES ('2026-11-17', 2, '2026-11-17 07:00:00+00', 22000, 400000, 1002200, 1007200, 997200, 1003200, 98, 12);
INSERT INTO public.bars VALUES ('2026-11-18', 2, '2026-11-18 07:00:00+00', 32000, 500000, 1002300, 1007300, 997300, 1003300, 97, 13);
INSERT INTO public.bars VALUES ('2026-11-16', 3, '2026-11-16 07:00:00+00', 13000, 400000, 1003100, 1008100, 998100, 1004100, 99, 16);
INSERT INTO public.bars VALUES ('2026-11-17', 3, '2026-11-17 07:00:00+00', 23000, 500000, 1003200, 1008200, 998200, 1004200, 98, 17);
INSERT INTO public.bars VALUES ('2026-11-19', 3, '2026-11-19 07:00:00+00', 43000, 700000, 1003400, 1008400, 998400, 1004400, 96, 19);
INSERT INTO public.bars VALUES ('2026-11-20', 3, '2026-11-20 07:00:00+00', 53000, 800000, 1003500, 1008500, 998500, 1004500, 95, 20);
INSERT INTO public.bars VALUES ('2026-11-16', 4, '2026-11-16 07:00:00+00', 14000, 500000, 1004100, 1009100, 999100, 1005100, 99, 21);
INSERT INTO public.bars VALUES ('2026-11-17', 4, '2026-11-17 07:00:00+00', 24000, 600000, 1004200, 1009200, 999200, 1005200, 98, 22);
INSERT INTO public.bars VALUES ('2026-11-16', 5, '2026-11-16 07:00:00+00', 15000, 600000, 1005100, 1010100, 1000100, 1006100, 99, 26);
INSERT INTO public.bars VALUES ('2026-11-17', 5, '2026-11-17 07:00:00+00', 25000, 700000, 1005200, 1010200, 1000200, 1006200, 98, 27);
INSERT INTO public.bars VALUES ('2026-11-18', 5, '2026-11-18 07:00:00+00', 35000, 800000, 1005300, 1010300, 1000300, 1006300, 97, 28);
INSERT INTO public.bars VALUES ('2026-11-19', 5, '2026-11-19 07:00:00+00', 45000, 900000, 1005400, 1010400, 1000400, 1006400, 96, 29);
INSERT INTO public.bars VALUES ('2026-11-20', 5, '2026-11-20 07:00:00+00', 55000, 1000000, 1005500, 1010500, 1000500, 1006500, 95, 30);
INSERT INTO public.bars VALUES ('2026-11-18', 3, '2026-11-18 07:00:00+00', 0, 0, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO public.provenance VALUES (true, 'sandbox', '2026-11-15 08:00:00+00');
INSERT INTO public.quarantine OVERRIDING SYSTEM VALUE VALUES (1, 'TWSE', 'daily_bars', '2026-11-20', '2317', 'ohlc-order', 'The high is below the low.', '{"最高價": "98"}', 'success', '2026-11-20 07:00:05+00', '2026-11-20 07:00:05+00', NULL);
INSERT INTO public.quarantine OVERRIDING SYSTEM VALUE VALUES (2, 'TPEX', 'daily_bars', '2026-11-17', '6488', 'negative-volume', 'The volume is negative.', '{"成交股數": "-1"}', 'failed', '2026-11-17 07:00:00+00', '2026-11-17 07:00:00+00', '2026-11-18 01:00:00+00');
INSERT INTO public.revisions OVERRIDING SYSTEM VALUE VALUES (1, 1, '2026-11-16', 'volume', 900, 11000, 'twse', 'success', '2026-11-17 07:00:00+00');
INSERT INTO public.revisions OVERRIDING SYSTEM VALUE VALUES (2, 1, '2026-11-17', 'trades', 6, NULL, 'twse', 'success', '2026-11-18 07:00:00+00');
INSERT INTO public.runs VALUES ('success', 'app.tasks.sync_daily_prices', '{"days": 7}', 'schedule', 'SUCCESS', NULL, '2026-11-20 07:00:00+00', '2026-11-20 07:00:01+00', '2026-11-20 07:00:09+00', 'celery@old', 1, 21, 21, 20, 0, 1, NULL, NULL, NULL, NULL, 'sync-daily-prices', '2026-11-20 07:00:00+00');
INSERT INTO public.runs VALUES ('failed', 'app.tasks.sync_daily_prices', '{"days": 7}', 'manual', 'FAILED', NULL, '2026-11-19 07:00:00+00', '2026-11-19 07:00:01+00', '2026-11-19 07:00:31+00', 'celery@old', 3, NULL, NULL, NULL, NULL, NULL, NULL, 'SourceUnavailable', 'twse gave no answer.', 'Traceback', NULL, NULL);
INSERT INTO public.runs VALUES ('partial', 'app.tasks.backfill_bars', '{"start": "2026-11-16"}', 'api', 'PARTIAL', NULL, '2026-11-18 07:00:00+00', '2026-11-18 07:00:01+00', '2026-11-18 07:05:00+00', 'celery@old', 1, 4, 3, 3, 0, 0, '{"done": 2, "total": 2}', NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.runs VALUES ('skipped', 'app.tasks.sync_latest_prices', '{}', 'manual', 'SKIPPED', 'The market is closed.', '2026-11-15 07:00:00+00', '2026-11-15 07:00:01+00', '2026-11-15 07:00:02+00', 'celery@old', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.runs VALUES ('started', 'app.tasks.cleanup_old_cache', '{}', 'manual', 'STARTED', NULL, '2026-11-20 08:00:00+00', '2026-11-20 08:00:01+00', NULL, 'celery@old', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.runs VALUES ('queued', 'app.tasks.cleanup_old_cache', '{}', 'manual', 'QUEUED', NULL, '2026-11-20 08:01:00+00', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.runs VALUES ('retry', 'app.tasks.cleanup_old_cache', '{}', 'retry', 'RETRY', NULL, '2026-11-20 08:02:00+00', NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.securities OVERRIDING SYSTEM VALUE VALUES (1, '2330', '台積電', 'TWSE', 'stock', 'TW0002330008', '1994-09-05', NULL, true, '半導體業', 'ESVUFR', '2026-11-15 08:00:00+00', '2026-11-20 08:00:00+00');
INSERT INTO public.securities OVERRIDING SYSTEM VALUE VALUES (2, '2317', '鴻海', 'TWSE', 'stock', 'TW0002317005', '1991-06-18', NULL, true, '其他電子業', 'ESVUFR', '2026-11-15 08:00:00+00', '2026-11-20 08:00:00+00');
INSERT INTO public.securities OVERRIDING SYSTEM VALUE VALUES (3, '0050', '元大台灣50', 'TWSE', 'etf', 'TW0000050004', '2003-06-30', NULL, true, NULL, 'CEOGEU', '2026-11-15 08:00:00+00', '2026-11-20 08:00:00+00');
INSERT INTO public.securities OVERRIDING SYSTEM VALUE VALUES (4, '9188', '精熙-DR', 'TWSE', 'tdr', NULL, '2010-01-04', '2026-11-18', false, NULL, NULL, '2026-11-15 08:00:00+00', '2026-11-18 08:00:00+00');
INSERT INTO public.securities OVERRIDING SYSTEM VALUE VALUES (5, '6488', '環球晶', 'TPEX', 'stock', 'TW0006488000', '2015-09-25', NULL, true, '半導體業', 'ESVUFR', '2026-11-15 08:00:00+00', '2026-11-20 08:00:00+00');
INSERT INTO public.securities OVERRIDING SYSTEM VALUE VALUES (6, '7772', '耀穎', 'EMERGING', 'stock', NULL, '2024-05-02', NULL, true, NULL, NULL, '2026-11-15 08:00:00+00', '2026-11-20 08:00:00+00');
INSERT INTO public.sessions VALUES ('TWSE', '2026-11-13', false, '颱風', 'override', 'admin', '2026-11-12 12:00:00+00');
INSERT INTO public.units VALUES ('success', 'daily_bars', 'TWSE', '2026-11-20', '2026-11-20', 'PARTIAL', NULL, 3, 3, 2, 0, 1, NULL, NULL, '2026-11-20 07:00:05+00');
INSERT INTO public.units VALUES ('success', 'daily_bars', 'TPEX', '2026-11-20', '2026-11-20', 'SUCCESS', NULL, 1, 1, 1, 0, 0, NULL, NULL, '2026-11-20 07:00:09+00');
INSERT INTO public.units VALUES ('partial', 'daily_bars', 'TWSE', '2026-11-16', '2026-11-16', 'FAILED', NULL, NULL, NULL, NULL, NULL, NULL, 'SourceUnavailable', 'twse gave no answer.', '2026-11-18 07:05:00+00');
SELECT pg_catalog.setval('public.quarantine_id_seq', 2, true);
SELECT pg_catalog.setval('public.revisions_id_seq', 2, true);
SELECT pg_catalog.setval('public.securities_id_seq', 6, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.bars
    ADD CONSTRAINT bars_pkey PRIMARY KEY (session, security_id);
ALTER TABLE ONLY public.provenance
    ADD CONSTRAINT provenance_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.revisions
    ADD CONSTRAINT revisions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.securities
    ADD CONSTRAINT securities_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.securities
    ADD CONSTRAINT securities_symbol_key UNIQUE (symbol);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (venue, session);
ALTER TABLE ONLY public.units
    ADD CONSTRAINT units_pkey PRIMARY KEY (run_id, dataset, venue, scope);
CREATE UNIQUE INDEX quarantine_open_key ON public.quarantine USING btree (venue, dataset, session, symbol, rule, md5((raw)::text)) NULLS NOT DISTINCT WHERE (released_at IS NULL);
CREATE INDEX quarantine_seen_at_idx ON public.quarantine USING btree (seen_at);
CREATE INDEX revisions_run_id_idx ON public.revisions USING btree (run_id);
CREATE INDEX revisions_security_id_session_idx ON public.revisions USING btree (security_id, session);
CREATE INDEX runs_queued_at_id_idx ON public.runs USING btree (queued_at, id);
CREATE UNIQUE INDEX runs_schedule_due_at_key ON public.runs USING btree (schedule, due_at) WHERE (schedule IS NOT NULL);
CREATE INDEX runs_state_queued_at_idx ON public.runs USING btree (state, queued_at);
CREATE INDEX runs_task_queued_at_idx ON public.runs USING btree (task, queued_at);
CREATE INDEX units_dataset_venue_session_idx ON public.units USING btree (dataset, venue, session);
ALTER TABLE ONLY public.units
    ADD CONSTRAINT units_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
