-- Users and their mesh roles. E-mails are stored in lower case, the one form in which they are compared.
CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email VARCHAR(255) UNIQUE NOT NULL CHECK (email = lower(email)),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    subscription_tier VARCHAR(50),
    mesh_role VARCHAR(10) NOT NULL DEFAULT 'viewer' CHECK (mesh_role IN ('none', 'viewer', 'editor', 'admin'))
);

-- The order in which they are listed.
CREATE INDEX users_by_age ON users (created_at, id);
