-- Results of more than a mebibyte make room among themselves first.
CREATE INDEX tp2_task_large ON tp2_task (ended_at, seq) WHERE state = 2 AND length > 1048576;
