-- Checksums (CRC-32) of what is kept of pictures, compared when it is read; NULL: kept by an earlier version, not compared.
-- Anyone who changes a picture by hand sets its checksum to NULL.

-- Of the task's picture, four bytes for each 64 KiB, big-endian: of the one handed in, and after the end of the one made.
ALTER TABLE task ADD COLUMN sums BLOB;

-- Of imagen_str and the pixels behind it, as one.
ALTER TABLE imagen ADD COLUMN suma INTEGER;
