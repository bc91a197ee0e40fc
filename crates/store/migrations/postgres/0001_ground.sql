-- Text is compared byte by byte everywhere (COLLATE "C"): whatever collation the database has, the same names are the same,
-- ranges are those of the bytes, and no upgrade of a locale makes an index wrong.

-- Folded tables: written only by the projection of core, compared with the fold of the log by `audit verify --with-store`.
-- Rows that every batch writes again leave room in their pages, so that the new version lies beside the old one.
CREATE TABLE heads (
    workspace bytea PRIMARY KEY, seq bigint NOT NULL, hash bytea NOT NULL, time bigint NOT NULL,
    policy_epoch bigint NOT NULL, authority_epoch bigint NOT NULL, stop_epoch bigint NOT NULL,
    place text COLLATE "C" NOT NULL
) WITH (fillfactor = 20);
CREATE TABLE workspaces (workspace bytea PRIMARY KEY, row bytea NOT NULL);
CREATE TABLE policies (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE agents (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE applications (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE operators (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE groups (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE keys (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE channels (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE counters (workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id))
    WITH (fillfactor = 50);
CREATE TABLE approvals (
    workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL,
    status text COLLATE "C" NOT NULL, agent bytea NOT NULL, action text COLLATE "C" NOT NULL,
    priority text COLLATE "C" NOT NULL, risk text COLLATE "C" NOT NULL, policy text COLLATE "C",
    submitted_seq bigint NOT NULL, created_at bigint NOT NULL, decided_at bigint, decider text COLLATE "C",
    next_at bigint,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX approvals_by_time ON approvals (workspace, submitted_seq);
-- The inbox. Queries repeat the condition, else the planner does not see that the index serves.
CREATE INDEX approvals_open ON approvals (workspace, submitted_seq, status) WHERE status IN ('pending', 'info_requested');
CREATE INDEX approvals_by_agent ON approvals (workspace, agent, submitted_seq);
CREATE INDEX approvals_due ON approvals (next_at) WHERE next_at IS NOT NULL;
-- Everything that statistics count, so that they need not read whole rows.
CREATE INDEX approvals_facts ON approvals (workspace, created_at)
    INCLUDE (status, priority, risk, action, decided_at, decider);
CREATE TABLE executions (
    workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL,
    state text COLLATE "C" NOT NULL, agent bytea NOT NULL, next_at bigint,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX executions_due ON executions (next_at) WHERE next_at IS NOT NULL;

-- The log. `bytes` is what is hashed; the other columns are indexes that verification compares with it. One partition for
-- each month, made by the server as time goes on; the default one takes what lies outside of them, so that no batch ever
-- fails for a partition that is missing. A key must hold the time, by which rows are parted; that no sequence comes twice
-- is kept by the head, which is locked and must be where the records follow on.
CREATE TABLE events (
    workspace bytea NOT NULL, seq bigint NOT NULL, id bytea NOT NULL, time bigint NOT NULL,
    type text COLLATE "C" NOT NULL, subject bytea NOT NULL, actor text COLLATE "C" NOT NULL, agent bytea,
    action text COLLATE "C", decision text COLLATE "C", hash bytea NOT NULL, bytes bytea NOT NULL,
    PRIMARY KEY (workspace, seq, time)
) PARTITION BY RANGE (time);
CREATE INDEX events_by_subject ON events (workspace, subject, seq);
-- Which requests an agent made, and which were about an action; their later records are found by subject.
CREATE INDEX events_by_agent ON events (workspace, agent, subject) WHERE agent IS NOT NULL;
CREATE INDEX events_by_action ON events (workspace, action, subject) WHERE action IS NOT NULL;
CREATE INDEX events_by_type ON events (workspace, type, seq);
CREATE INDEX events_by_decision ON events (workspace, decision, seq) WHERE decision IS NOT NULL;
CREATE INDEX events_by_time ON events (workspace, time, seq);
-- People only: with every agent in it, each submit would write one more page.
CREATE INDEX events_by_operator ON events (workspace, actor, seq) WHERE substr(actor, 1, 4) = 'usr_';
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Side tables: nothing here is folded.
CREATE TABLE payloads (
    workspace bytea NOT NULL, seq bigint NOT NULL, name text COLLATE "C" NOT NULL, subject bytea NOT NULL,
    salt bytea NOT NULL, bytes bytea NOT NULL,
    -- That of the record, so that both lie in the same month.
    time bigint NOT NULL,
    PRIMARY KEY (workspace, seq, name, time)
) PARTITION BY RANGE (time);
-- Ciphertext does not get smaller by trying.
ALTER TABLE payloads ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE TABLE payloads_default PARTITION OF payloads DEFAULT;
CREATE TABLE idempotency (
    workspace bytea NOT NULL, principal text COLLATE "C" NOT NULL, operation text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL, fingerprint bytea NOT NULL, outcome text COLLATE "C" NOT NULL, expires_at bigint,
    PRIMARY KEY (workspace, principal, operation, key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE secrets (
    workspace bytea NOT NULL, kind text COLLATE "C" NOT NULL, id bytea NOT NULL, value bytea NOT NULL,
    PRIMARY KEY (workspace, kind, id)
);
CREATE TABLE people (
    workspace bytea NOT NULL, id bytea NOT NULL, name text COLLATE "C" NOT NULL, email text COLLATE "C" NOT NULL,
    email_folded text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX people_by_email ON people (workspace, email_folded);
CREATE TABLE sessions (
    hash bytea PRIMARY KEY, workspace bytea NOT NULL, operator bytea NOT NULL, created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX sessions_by_operator ON sessions (workspace, operator);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE TABLE workspace_keys (workspace bytea PRIMARY KEY, wrapped bytea NOT NULL);
-- What waits to be made into deliveries. One record is told once under one name.
CREATE TABLE outbox (
    workspace bytea NOT NULL, seq bigint NOT NULL, kind text COLLATE "C" NOT NULL, PRIMARY KEY (workspace, seq, kind)
);
CREATE TABLE deliveries (
    workspace bytea NOT NULL, channel bytea NOT NULL, seq bigint NOT NULL, kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL, attempts bigint NOT NULL, created_at bigint NOT NULL, next_at bigint,
    ended_at bigint, last_status bigint, last_error text COLLATE "C",
    PRIMARY KEY (workspace, channel, seq, kind)
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_by_record ON deliveries (workspace, seq);
-- Up to which feature level records may be written. One row.
CREATE TABLE installation (one bigint PRIMARY KEY CHECK (one = 1), feature_level bigint NOT NULL);
INSERT INTO installation (one, feature_level) VALUES (1, 2);
-- Who works at what; a fence is never given twice.
CREATE SEQUENCE fences;
CREATE TABLE leases (
    workspace bytea NOT NULL, subject bytea NOT NULL, holder bytea NOT NULL, fence bigint NOT NULL, until bigint NOT NULL,
    PRIMARY KEY (workspace, subject)
) WITH (fillfactor = 50);
CREATE INDEX leases_expiry ON leases (until);
-- The folded state at the last cut of a log. Its digest stands in the record of the cut.
CREATE TABLE checkpoints (
    workspace bytea NOT NULL, seq bigint NOT NULL, state bytea NOT NULL, PRIMARY KEY (workspace, seq));

-- Where this server writes: which cluster, which database in it, and which timeline, which rises when a standby is promoted
-- or a backup restored to a point in time. What may not be asked here is left out; it never fails, because batches ask it.
CREATE FUNCTION signoff_place() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    cluster text := '';
    base text := '';
    timeline text := '';
BEGIN
    BEGIN
        SELECT system_identifier::text INTO cluster FROM pg_catalog.pg_control_system();
    EXCEPTION WHEN OTHERS THEN
        cluster := '';
    END;
    BEGIN
        SELECT oid::text INTO base FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database();
        timeline := pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8);
    EXCEPTION WHEN OTHERS THEN
        timeline := '';
    END;
    RETURN pg_catalog.concat_ws('/', cluster, base, timeline);
END
$$;
