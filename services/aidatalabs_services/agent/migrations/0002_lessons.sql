-- What people said of answers; it goes with the conversation.
CREATE TABLE feedback (
    conversation_id UUID NOT NULL,
    turn INTEGER NOT NULL,
    user_id VARCHAR(64) COLLATE "C" NOT NULL,
    verdict VARCHAR(20) NOT NULL CHECK (verdict IN ('right', 'wrong', 'corrected')),
    sql TEXT NOT NULL DEFAULT '',
    comment VARCHAR(1000) NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, turn),
    FOREIGN KEY (conversation_id, turn) REFERENCES turns (conversation_id, number) ON DELETE CASCADE
);

-- What a platform was taught: each row stays, with who taught it and who had it forgotten.
CREATE TABLE lessons (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    platform_uid VARCHAR(64) NOT NULL,
    -- SHA-256 of the question without what makes no difference.
    question_key VARCHAR(64) NOT NULL,
    question VARCHAR(2000) NOT NULL,
    sql TEXT NOT NULL,
    plan JSONB,
    origin VARCHAR(20) NOT NULL CHECK (origin IN ('confirmed', 'corrected')),
    taught_by VARCHAR(64) COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    forgotten_by VARCHAR(64) COLLATE "C" NOT NULL DEFAULT '',
    forgotten_at TIMESTAMPTZ
);

-- One lesson in use for each question.
CREATE UNIQUE INDEX lessons_in_use ON lessons (platform_uid, question_key) WHERE forgotten_at IS NULL;
CREATE INDEX lessons_of_platform ON lessons (platform_uid, created_at DESC);
