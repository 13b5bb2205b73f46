-- What each request id was answered with, for 24 hours: the same call again gets the same answer.
CREATE TABLE requests (
    user_id UUID NOT NULL,
    method VARCHAR(100) NOT NULL,
    request_id VARCHAR(128) COLLATE "C" NOT NULL,
    response JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, method, request_id)
);

CREATE INDEX requests_by_age ON requests (created_at);

-- Who did what. Without a foreign key, because a line outlives its user.
CREATE TABLE audit_logs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    actor VARCHAR(100) NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    action VARCHAR(255) NOT NULL,
    details JSONB NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX audit_logs_by_time ON audit_logs (timestamp);

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_logs is only ever added to';
END
$$;

CREATE TRIGGER audit_logs_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
