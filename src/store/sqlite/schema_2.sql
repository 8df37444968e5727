-- What is to be done with a picture is one canonical text, in place of a column for each parameter.
ALTER TABLE task ADD COLUMN transform TEXT NOT NULL DEFAULT '';
UPDATE task SET transform = 'escala=' || factor || '&formato=' || iif(format = 'jpg', 'jpeg', format)
    || '&calidad=' || quality || '&fondo=' || printf('%06X', background);
ALTER TABLE task DROP COLUMN factor;
ALTER TABLE task DROP COLUMN format;
ALTER TABLE task DROP COLUMN quality;
ALTER TABLE task DROP COLUMN background;

-- How often a task was tried in vain: it failed in a way that may be chance, or its server fell or stopped in the middle.

ALTER TABLE task ADD COLUMN tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0);
UPDATE task SET tries = crashes WHERE crashes > 0;

DROP VIEW tareas;
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
    tries AS intentos,
    received AS recibidos,
    result.length AS bytes,
    result.width AS ancho,
    result.height AS alto,
    detail AS detalle
FROM task LEFT JOIN result ON result.task = task.seq
ORDER BY seq;
