-- A deleted platform can be brought back for a while: its row, members and data stay, out of sight, until purge_at.
ALTER TABLE platforms DROP CONSTRAINT platforms_status_check;
ALTER TABLE platforms ADD CONSTRAINT platforms_status_check
    CHECK (status IN ('provisioning', 'active', 'failed', 'deleting', 'deleted'));
ALTER TABLE platforms ADD COLUMN purge_at TIMESTAMPTZ;
-- Whether the data service knows of purge_at: it then removes the data by itself, with nobody's token.
ALTER TABLE platforms ADD COLUMN purge_noted BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE platforms DROP CONSTRAINT platforms_deleted_at;
ALTER TABLE platforms ADD CONSTRAINT platforms_deleted_at
    CHECK ((status IN ('deleting', 'deleted')) = (deleted_at IS NOT NULL));
ALTER TABLE platforms ADD CONSTRAINT platforms_purge_at CHECK ((status = 'deleted') = (purge_at IS NOT NULL));
CREATE INDEX platforms_to_purge ON platforms (purge_at) WHERE status = 'deleted';
