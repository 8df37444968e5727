-- Results that make room among themselves first. Those of an earlier version count as small, whatever they are.
ALTER TABLE task ADD COLUMN large INTEGER NOT NULL DEFAULT 0 CHECK (large IN (0, 1));
CREATE INDEX task_large ON task (ended_at, seq) WHERE state = 2 AND large = 1;
