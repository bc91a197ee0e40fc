-- How the tables are laid out: those whose rows carry documents (records, folded rows, ciphertext, answers) have a rowid
-- and a unique index, because SQLite moves what is above about 1,000 bytes of a row WITHOUT ROWID to a page of its own,
-- 4 KiB for every record. Small rows are WITHOUT ROWID.

-- Folded tables: written only by the projection of core, compared with the fold of the log by `audit verify --with-store`.
CREATE TABLE heads (
    workspace BLOB PRIMARY KEY NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, time INTEGER NOT NULL,
    policy_epoch INTEGER NOT NULL, authority_epoch INTEGER NOT NULL, stop_epoch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE workspaces (workspace BLOB PRIMARY KEY NOT NULL, row BLOB NOT NULL);
CREATE TABLE policies (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE agents (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE applications (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE operators (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE groups (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE keys (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE channels (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE counters (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE approvals (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL,
    status TEXT NOT NULL, agent BLOB NOT NULL, action TEXT NOT NULL, priority TEXT NOT NULL, risk TEXT NOT NULL,
    policy TEXT, submitted_seq INTEGER NOT NULL, created_at INTEGER NOT NULL, decided_at INTEGER, decider TEXT,
    next_at INTEGER,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX approvals_by_time ON approvals (workspace, submitted_seq);
-- The inbox. Queries repeat the condition word for word, else SQLite does not see that the index serves.
CREATE INDEX approvals_open ON approvals (workspace, submitted_seq, status) WHERE status IN ('pending', 'info_requested');
CREATE INDEX approvals_by_agent ON approvals (workspace, agent, submitted_seq);
CREATE INDEX approvals_due ON approvals (next_at) WHERE next_at IS NOT NULL;
-- Everything that statistics count, so that they never read a whole row.
CREATE INDEX approvals_facts ON approvals (workspace, created_at, status, priority, risk, action, decided_at, decider);
CREATE TABLE executions (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL,
    state TEXT NOT NULL, agent BLOB NOT NULL, next_at INTEGER,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX executions_due ON executions (next_at) WHERE next_at IS NOT NULL;

-- The log. `bytes` is what is hashed; the other columns are indexes that verification compares with it.
CREATE TABLE events (
    workspace BLOB NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL, time INTEGER NOT NULL, type TEXT NOT NULL,
    subject BLOB NOT NULL, actor TEXT NOT NULL, agent BLOB, action TEXT, decision TEXT,
    hash BLOB NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (workspace, seq)
);
CREATE INDEX events_by_subject ON events (workspace, subject, seq);
-- Which requests an agent made, and which were about an action; their later records are found by subject.
CREATE INDEX events_by_agent ON events (workspace, agent, subject) WHERE agent IS NOT NULL;
CREATE INDEX events_by_action ON events (workspace, action, subject) WHERE action IS NOT NULL;
CREATE INDEX events_by_type ON events (workspace, type, seq);
CREATE INDEX events_by_decision ON events (workspace, decision, seq) WHERE decision IS NOT NULL;
CREATE INDEX events_by_time ON events (workspace, time, seq);
-- People only: with every agent in it, each submit would write one more page.
CREATE INDEX events_by_operator ON events (workspace, actor, seq) WHERE substr(actor, 1, 4) = 'usr_';

-- Side tables: nothing here is folded.
CREATE TABLE payloads (
    workspace BLOB NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, subject BLOB NOT NULL,
    salt BLOB NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (workspace, seq, name)
);
CREATE TABLE idempotency (
    workspace BLOB NOT NULL, principal TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    fingerprint BLOB NOT NULL, outcome TEXT NOT NULL, expires_at INTEGER,
    PRIMARY KEY (workspace, principal, operation, key)
);
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
    hash BLOB PRIMARY KEY NOT NULL, workspace BLOB NOT NULL, operator BLOB NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_by_operator ON sessions (workspace, operator);
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE TABLE workspace_keys (workspace BLOB PRIMARY KEY NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID;
-- What waits to be made into deliveries. One record is told once under one name.
CREATE TABLE outbox (
    workspace BLOB NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (workspace, seq, kind)
) WITHOUT ROWID;
CREATE TABLE deliveries (
    workspace BLOB NOT NULL, channel BLOB NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER, ended_at INTEGER,
    last_status INTEGER, last_error TEXT,
    PRIMARY KEY (workspace, channel, seq, kind)
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_by_record ON deliveries (workspace, seq);

-- What the planner is to expect: large tables of one workspace, in which naming the workspace narrows nothing. Without
-- this it takes any equality for a few rows and goes through whole logs. Nothing runs ANALYZE, so it stays as it is.
-- The numbers: rows of the index, then rows for one value of its first column, of its first two, and so on.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('events', 'sqlite_autoindex_events_1', '1000000 1000000 1'),
    ('events', 'events_by_subject', '1000000 1000000 3 1'),
    ('events', 'events_by_agent', '600000 600000 5000 1'),
    ('events', 'events_by_action', '600000 600000 5000 1'),
    ('events', 'events_by_type', '1000000 1000000 40000 1'),
    ('events', 'events_by_decision', '700000 700000 40000 1'),
    ('events', 'events_by_time', '1000000 1000000 2 1'),
    ('events', 'events_by_operator', '200000 200000 5000 1'),
    ('approvals', 'sqlite_autoindex_approvals_1', '100000 100000 1'),
    ('approvals', 'approvals_by_time', '100000 100000 1'),
    ('approvals', 'approvals_open', '500 500 1 1'),
    ('approvals', 'approvals_by_agent', '100000 100000 1000 1'),
    ('approvals', 'approvals_due', '500 2'),
    ('approvals', 'approvals_facts', '100000 100000 1 1 1 1 1 1 1'),
    ('executions', 'sqlite_autoindex_executions_1', '300000 300000 1'),
    ('executions', 'executions_due', '500 2'),
    ('payloads', 'sqlite_autoindex_payloads_1', '1500000 1500000 2 1'),
    ('idempotency', 'sqlite_autoindex_idempotency_1', '500000 500000 5000 5000 1'),
    ('idempotency', 'idempotency_expiry', '100000 2'),
    ('deliveries', 'deliveries', '200000 200000 20000 2 1'),
    ('deliveries', 'deliveries_by_record', '200000 200000 3'),
    ('deliveries', 'deliveries_due', '200 2');
ANALYZE sqlite_schema;
