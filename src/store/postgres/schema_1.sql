-- Tasks: what they are like and how they ended. A row is written when it is accepted, when it ends and when it expires.
CREATE SEQUENCE tp2_order AS bigint CACHE 1;

CREATE TABLE tp2_task (
    id          uuid PRIMARY KEY,
    seq         bigint NOT NULL,
    -- 0: it waits or is in work, which the queue knows; 2: done; 3: failed; 4: expired.
    state       smallint NOT NULL DEFAULT 0 CHECK (state IN (0, 2, 3, 4)),
    received    bigint NOT NULL,
    transform   text NOT NULL,
    key         bytea,
    digest      bytea,
    accepted_at timestamptz NOT NULL,
    begun_at    timestamptz,
    ended_at    timestamptz,
    expired_at  timestamptz,
    code        integer,
    slug        text,
    detail      text,
    format      text,
    width       bigint,
    height      bigint,
    length      bigint
);
CREATE UNIQUE INDEX tp2_task_key ON tp2_task (key) WHERE key IS NOT NULL;
CREATE INDEX tp2_task_done ON tp2_task (ended_at, seq) WHERE state = 2;
CREATE INDEX tp2_task_failed ON tp2_task (ended_at) WHERE state = 3;
CREATE INDEX tp2_task_expired ON tp2_task (expired_at) WHERE state = 4;

-- Tasks that have not ended, in small rows: one waits while no server is named.
CREATE TABLE tp2_queue (
    id       uuid PRIMARY KEY,
    seq      bigint NOT NULL,
    length   bigint NOT NULL,
    crashes  integer NOT NULL DEFAULT 0,
    tries    integer NOT NULL DEFAULT 0,
    attempt  integer NOT NULL DEFAULT 0,
    server   uuid,
    begun_at timestamptz,
    -- A client waits for its end, at one server or another.
    watched  boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
CREATE INDEX tp2_queue_waiting ON tp2_queue (crashes DESC, seq) WHERE server IS NULL;
CREATE INDEX tp2_queue_running ON tp2_queue (server) WHERE server IS NOT NULL;

-- Files, in pieces of a mebibyte at most. Pictures are compressed already.
CREATE TABLE tp2_upload (
    task   uuid NOT NULL,
    number integer NOT NULL,
    bytes  bytea NOT NULL,
    PRIMARY KEY (task, number)
);
ALTER TABLE tp2_upload ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE TABLE tp2_result (
    task   uuid NOT NULL,
    number integer NOT NULL,
    bytes  bytea NOT NULL,
    PRIMARY KEY (task, number)
);
ALTER TABLE tp2_result ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- How many tasks and bytes there are: the sums of these rows. Each server adds to one of them, so that few wait for each other.
CREATE TABLE tp2_ledger (
    slot    integer PRIMARY KEY,
    live    bigint NOT NULL DEFAULT 0,
    done    bigint NOT NULL DEFAULT 0,
    failed  bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    bytes   bigint NOT NULL DEFAULT 0,
    probes  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
INSERT INTO tp2_ledger (slot) SELECT generate_series(0, 15);

-- The servers of the fleet. One that has not been seen for the length of a lease is dead to those that were seen all that time.
CREATE TABLE tp2_server (
    id           uuid PRIMARY KEY,
    seen_at      timestamptz NOT NULL,
    steady_since timestamptz NOT NULL,
    -- It found no task when it last looked.
    idle         boolean NOT NULL DEFAULT false
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The bank of faces. Names are compared by their bytes.
CREATE TABLE tp2_carpeta (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    nombre   text COLLATE "C" NOT NULL UNIQUE,
    imagenes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE tp2_imagen (
    carpeta    bigint NOT NULL,
    nombre     text COLLATE "C" NOT NULL,
    imagen_str text NOT NULL,
    pixeles    bytea NOT NULL,
    PRIMARY KEY (carpeta, nombre)
);
ALTER TABLE tp2_imagen ALTER COLUMN pixeles SET STORAGE EXTERNAL;
