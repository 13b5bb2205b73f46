-- Platforms. user_id is a user of the identity service; there is no foreign key across services' schemas.
CREATE TABLE platforms (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    -- What people call it in `platforms/{id}`, ordered byte by byte.
    platform_id VARCHAR(63) COLLATE "C" UNIQUE NOT NULL
        CHECK (platform_id ~ '^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'),
    user_id UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    config JSONB NOT NULL,
    status VARCHAR(50) NOT NULL DEFAULT 'provisioning'
        CHECK (status IN ('provisioning', 'active', 'failed', 'deleting')),
    -- Counts the changes of name and config; the etag is made from it. A change of status is none.
    version BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Who is making the database at the moment, and until when: after that, anybody may begin anew.
    attempt UUID,
    attempt_until TIMESTAMPTZ
);

-- Roles on a platform: `users/{id}`, or `allUsers`, who can only read.
CREATE TABLE platform_members (
    platform_id UUID NOT NULL REFERENCES platforms (id) ON DELETE CASCADE,
    member VARCHAR(64) COLLATE "C" NOT NULL,
    role VARCHAR(10) NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    PRIMARY KEY (platform_id, member),
    CHECK (member <> 'allUsers' OR role = 'viewer')
);

-- "What is shared with this user?"
CREATE INDEX platform_members_by_member ON platform_members (member, platform_id);

-- What each request id was used for, for 24 hours: the same call again gets the same answer.
CREATE TABLE requests (
    user_id UUID NOT NULL,
    method VARCHAR(100) NOT NULL,
    request_id VARCHAR(128) COLLATE "C" NOT NULL,
    request_hash BYTEA NOT NULL,
    -- The platform a call works on, once it has one; its answer, once it is over.
    platform_id UUID,
    response BYTEA,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, method, request_id)
);

CREATE INDEX requests_by_age ON requests (created_at);

-- Who did what. Written in the transaction of the deed; without a foreign key, because a line outlives its
-- platform. agent_id is set where an agent acted for the user.
CREATE TABLE audit_logs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    platform_id UUID NOT NULL,
    agent_id VARCHAR(100),
    actor VARCHAR(100) NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    action VARCHAR(255) NOT NULL,
    details JSONB NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX audit_logs_by_platform ON audit_logs (platform_id, timestamp);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_logs is only ever added to';
END
$$;

CREATE TRIGGER audit_logs_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
