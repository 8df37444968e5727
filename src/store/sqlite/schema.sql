-- The first schema of tp2.sqlite3. Later ones change it by migrations of their own; this file stays as it is.
--
-- Times are milliseconds since 1970-01-01 UTC, ids the 16 bytes of a UUID. Blobs have tables of their own, so that a
-- task whose state changes does not take its pictures through the log of writes again.

-- state: 0 Pendiente, 1 En progreso, 2 Completada, 3 Error, 4 Vencida.
CREATE TABLE task (
    seq INTEGER PRIMARY KEY,  -- in the order of acceptance
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 4),
    crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),  -- of servers that had it in work
    accepted_at INTEGER NOT NULL,
    begun_at INTEGER,
    ended_at INTEGER,
    expired_at INTEGER,
    received INTEGER NOT NULL CHECK (received >= 0),  -- bytes of the picture handed in
    factor REAL NOT NULL,
    format TEXT NOT NULL,
    quality INTEGER NOT NULL CHECK (quality BETWEEN 1 AND 100),
    background INTEGER NOT NULL CHECK (background BETWEEN 0 AND 0xffffff),  -- 0xRRGGBB
    key BLOB,  -- Idempotency-Key
    digest BLOB CHECK (length(digest) = 32),  -- of what was handed in under that key: SHA-256
    code INTEGER CHECK (code BETWEEN 100 AND 999),
    slug TEXT,
    detail TEXT,
    CHECK ((state >= 2) = (ended_at IS NOT NULL)),
    CHECK ((state = 4) = (expired_at IS NOT NULL)),
    CHECK ((key IS NULL) = (digest IS NULL)),
    CHECK ((state = 3) = (code IS NOT NULL AND slug IS NOT NULL AND detail IS NOT NULL))
) STRICT;

-- Every task is in exactly one of the first five.
CREATE INDEX task_pending ON task (crashes DESC, seq) WHERE state = 0;
CREATE INDEX task_running ON task (crashes) WHERE state = 1;
CREATE INDEX task_done ON task (ended_at, seq) WHERE state = 2;
CREATE INDEX task_failed ON task (ended_at, seq) WHERE state = 3;
CREATE INDEX task_expired ON task (expired_at) WHERE state = 4;
CREATE UNIQUE INDEX task_key ON task (key) WHERE key IS NOT NULL;

-- The picture handed in, until the task has ended.
CREATE TABLE upload (
    task INTEGER PRIMARY KEY REFERENCES task (seq) ON DELETE CASCADE,
    file BLOB NOT NULL
) STRICT;

-- The picture made, until the task expires.
CREATE TABLE result (
    task INTEGER PRIMARY KEY REFERENCES task (seq) ON DELETE CASCADE,
    format TEXT NOT NULL,
    width INTEGER NOT NULL CHECK (width BETWEEN 0 AND 0xffffffff),
    height INTEGER NOT NULL CHECK (height BETWEEN 0 AND 0xffffffff),
    length INTEGER NOT NULL CHECK (length = length(file)),
    file BLOB NOT NULL
) STRICT;

-- One row, of sums that would take long to add up.
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    result_bytes INTEGER NOT NULL CHECK (result_bytes >= 0),
    probes INTEGER NOT NULL
) STRICT;
INSERT INTO ledger (one, result_bytes, probes) VALUES (1, 0, 0);

CREATE TRIGGER result_kept AFTER INSERT ON result BEGIN
    UPDATE ledger SET result_bytes = result_bytes + new.length;
END;
CREATE TRIGGER result_gone AFTER DELETE ON result BEGIN
    UPDATE ledger SET result_bytes = result_bytes - old.length;
END;

-- The image bank.
CREATE TABLE carpeta (
    id INTEGER PRIMARY KEY,
    nombre TEXT NOT NULL UNIQUE,
    imagenes INTEGER NOT NULL DEFAULT 0 CHECK (imagenes >= 0)  -- how many it has
) STRICT;

CREATE TABLE imagen (
    id INTEGER PRIMARY KEY,
    carpeta INTEGER NOT NULL REFERENCES carpeta (id),
    nombre TEXT NOT NULL,
    imagen_str TEXT NOT NULL,  -- the JPEG in base64
    pixeles BLOB NOT NULL CHECK (length(pixeles) = 7200),  -- 80 columns, 90 rows, row by row; vector = pixel / 1000
    UNIQUE (carpeta, nombre)
) STRICT;

CREATE TRIGGER imagen_kept AFTER INSERT ON imagen BEGIN
    UPDATE carpeta SET imagenes = imagenes + 1 WHERE id = new.carpeta;
END;
CREATE TRIGGER imagen_gone AFTER DELETE ON imagen BEGIN
    UPDATE carpeta SET imagenes = imagenes - 1 WHERE id = old.carpeta;
END;

-- For people with sqlite3: SELECT * FROM tareas; SELECT * FROM banco WHERE carpeta = 'fotos';
CREATE VIEW tareas AS
SELECT
    lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-'
        || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) AS id_tarea,
    CASE state
        WHEN 0 THEN 'Pendiente'
        WHEN 1 THEN 'En progreso'
        WHEN 2 THEN 'Completada'
        WHEN 3 THEN 'Error'
        ELSE 'Vencida'
    END AS estado,
    datetime(accepted_at / 1000, 'unixepoch', 'localtime') AS aceptada,
    datetime(begun_at / 1000, 'unixepoch', 'localtime') AS comenzada,
    datetime(ended_at / 1000, 'unixepoch', 'localtime') AS terminada,
    crashes AS caidas,
    received AS recibidos,
    result.length AS bytes,
    result.width AS ancho,
    result.height AS alto,
    detail AS detalle
FROM task LEFT JOIN result ON result.task = task.seq
ORDER BY seq;

CREATE VIEW banco AS
SELECT carpeta.nombre AS carpeta, imagen.nombre AS nombre, imagen_str
FROM imagen JOIN carpeta ON carpeta.id = imagen.carpeta
ORDER BY carpeta.nombre, imagen.nombre;
