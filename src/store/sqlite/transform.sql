-- What is to be done with a picture is one canonical text, in place of a column for each parameter.
ALTER TABLE task ADD COLUMN transform TEXT NOT NULL DEFAULT '';
UPDATE task SET transform = 'escala=' || factor || '&formato=' || iif(format = 'jpg', 'jpeg', format)
    || '&calidad=' || quality || '&fondo=' || printf('%06X', background);
ALTER TABLE task DROP COLUMN factor;
ALTER TABLE task DROP COLUMN format;
ALTER TABLE task DROP COLUMN quality;
ALTER TABLE task DROP COLUMN background;
