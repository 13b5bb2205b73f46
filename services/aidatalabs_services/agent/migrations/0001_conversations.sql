-- The key that proofs are sealed with: one for the mesh, made at the first start.
CREATE TABLE seal_keys (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    key BYTEA NOT NULL CHECK (octet_length(key) >= 32),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- A conversation is of one user about one platform. The platform's uid is never used again, so that a new platform of
-- the same name has none of its conversations.
CREATE TABLE conversations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    platform_uid VARCHAR(64) NOT NULL,
    owner VARCHAR(64) COLLATE "C" NOT NULL,
    turn_count INTEGER NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX conversations_of_owner ON conversations (platform_uid, owner, updated_at DESC, id);
CREATE INDEX conversations_by_age ON conversations (updated_at);

-- What was asked and what became of it. Rows of results are not kept.
CREATE TABLE turns (
    conversation_id UUID NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    question VARCHAR(2000) NOT NULL,
    outcome VARCHAR(20) NOT NULL CHECK (outcome IN ('answered', 'asked_back', 'refused')),
    -- The typed plan as its dictionary; null where there is none.
    plan JSONB,
    sql TEXT NOT NULL DEFAULT '',
    sql_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    result_sha256 VARCHAR(64) NOT NULL DEFAULT '',
    catalogue_version VARCHAR(64) NOT NULL DEFAULT '',
    produced_by VARCHAR(64) NOT NULL DEFAULT '',
    -- Why there is no answer: a reason of the contract, else empty.
    reason VARCHAR(100) NOT NULL DEFAULT '',
    -- How it was read, one sentence a line.
    steps TEXT NOT NULL DEFAULT '',
    -- Whether it was read as a follow-up, which means nothing alone.
    followed BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, number)
);
