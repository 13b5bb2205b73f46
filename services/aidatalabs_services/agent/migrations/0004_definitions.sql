-- What people said of a platform's data, one row for each version; the one of the highest number counts.
CREATE TABLE definitions (
    platform_uid VARCHAR(64) NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    -- All of them, as JSON.
    content TEXT NOT NULL,
    -- What changed against the version before, one sentence a line.
    changes TEXT NOT NULL DEFAULT '',
    changed_by VARCHAR(64) COLLATE "C" NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- The version that was restored; null where it was written, 0 where everything was taken back.
    restored_version INTEGER,
    request_id VARCHAR(128) COLLATE "C" NOT NULL DEFAULT '',
    -- SHA-256 of what the request asked for.
    request_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    PRIMARY KEY (platform_uid, version)
);

CREATE UNIQUE INDEX definitions_by_request ON definitions (platform_uid, changed_by, request_id)
    WHERE request_id <> '';
