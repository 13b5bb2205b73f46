-- Platforms whose rows here are to go: at `due_at`, unless the platform is brought back before, and once `removed` is set
-- for good. A uid is never used again: the row stays as long as a call that began before might still write something.
CREATE TABLE purges (
    platform_uid VARCHAR(64) PRIMARY KEY,
    due_at TIMESTAMPTZ NOT NULL,
    removed BOOLEAN NOT NULL DEFAULT false
);
