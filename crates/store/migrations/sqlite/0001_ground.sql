-- Folded tables: written only by the projection of core, compared with the fold of the log by `audit verify --with-store`.
CREATE TABLE heads (
    workspace BLOB PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL, time INTEGER NOT NULL,
    policy_epoch INTEGER NOT NULL, authority_epoch INTEGER NOT NULL, stop_epoch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE workspaces (workspace BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE policies (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE agents (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE applications (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE operators (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE groups (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE keys (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE channels (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE counters (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE TABLE approvals (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL,
    status TEXT NOT NULL, agent BLOB NOT NULL, action TEXT NOT NULL, priority TEXT NOT NULL, risk TEXT NOT NULL,
    policy TEXT, submitted_seq INTEGER NOT NULL, created_at INTEGER NOT NULL, decided_at INTEGER, decider TEXT,
    next_at INTEGER,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX approvals_by_time ON approvals (workspace, submitted_seq);
CREATE INDEX approvals_open ON approvals (workspace, submitted_seq) WHERE status IN ('pending', 'info_requested');
CREATE INDEX approvals_by_agent ON approvals (workspace, agent, submitted_seq);
CREATE INDEX approvals_due ON approvals (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE executions (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL,
    state TEXT NOT NULL, agent BLOB NOT NULL, next_at INTEGER,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX executions_due ON executions (next_at) WHERE next_at IS NOT NULL;

-- The log. `bytes` is what is hashed; the other columns are indexes that verification compares with it.
CREATE TABLE events (
    workspace BLOB NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL, time INTEGER NOT NULL, type TEXT NOT NULL,
    subject BLOB NOT NULL, actor TEXT NOT NULL, agent BLOB, action TEXT, decision TEXT,
    hash BLOB NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
CREATE INDEX events_by_subject ON events (workspace, subject, seq);
CREATE INDEX events_by_agent ON events (workspace, agent, seq) WHERE agent IS NOT NULL;

-- Side tables: nothing here is folded.
CREATE TABLE payloads (
    workspace BLOB NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, subject BLOB NOT NULL,
    salt BLOB NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (workspace, seq, name)
) WITHOUT ROWID;
CREATE TABLE idempotency (
    workspace BLOB NOT NULL, principal TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    fingerprint BLOB NOT NULL, outcome TEXT NOT NULL, expires_at INTEGER,
    PRIMARY KEY (workspace, principal, operation, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE secrets (
    workspace BLOB NOT NULL, kind TEXT NOT NULL, id BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (workspace, kind, id)
) WITHOUT ROWID;
CREATE TABLE people (
    workspace BLOB NOT NULL, id BLOB NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL, email_folded TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX people_by_email ON people (workspace, email_folded);
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY, workspace BLOB NOT NULL, operator BLOB NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE workspace_keys (workspace BLOB PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, workspace BLOB NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL);
CREATE TABLE deliveries (
    workspace BLOB NOT NULL, channel BLOB NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER, ended_at INTEGER,
    last_status INTEGER, last_error TEXT,
    PRIMARY KEY (workspace, channel, seq, kind)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
