-- Deleting a platform: recorded first, then its data goes, then its row.
ALTER TABLE platforms ADD COLUMN deleted_at TIMESTAMPTZ;
UPDATE platforms SET deleted_at = updated_at WHERE status = 'deleting';
ALTER TABLE platforms ADD CONSTRAINT platforms_deleted_at CHECK ((status = 'deleting') = (deleted_at IS NOT NULL));

-- Whose attempt is running: while it does, this user gets through to the data service, nobody else. NULL: the
-- owner's.
ALTER TABLE platforms ADD COLUMN attempt_by UUID;

-- The platform's id of a call, so that a repeated deletion finds its answer when the platform is gone.
ALTER TABLE requests ADD COLUMN platform_name VARCHAR(63) COLLATE "C";

-- Ids of deleted platforms, which rest until no service can remember the old platform's uid under them.
CREATE TABLE released_ids (
    platform_id VARCHAR(63) COLLATE "C" PRIMARY KEY,
    released_at TIMESTAMPTZ NOT NULL
);
