-- Browser sessions. Only the SHA-256 of the cookie's value is kept, so that nobody who reads this table can use it.
CREATE TABLE sessions (
    session_hash BYTEA PRIMARY KEY CHECK (octet_length(session_hash) = 32),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Written at most once a minute.
    last_seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen_at);

-- Codes of one-click sign-in links, each good once; again only their SHA-256.
CREATE TABLE link_codes (
    code_hash BYTEA PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expire_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX link_codes_by_end ON link_codes (expire_at);
CREATE INDEX link_codes_by_user ON link_codes (user_id);
