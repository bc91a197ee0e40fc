-- What came from Slack: kept before it is acknowledged, handled once, and remembered for a while so that a replay changes
-- nothing. What it says is encrypted, and gone once it was handled.
CREATE TABLE slack_inbox (
    workspace BLOB NOT NULL, channel BLOB NOT NULL, key BLOB NOT NULL, operator BLOB, body BLOB NOT NULL,
    received_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, handled_at INTEGER,
    PRIMARY KEY (workspace, channel, key)
);
CREATE INDEX slack_inbox_waiting ON slack_inbox (received_at) WHERE handled_at IS NULL;
CREATE INDEX slack_inbox_expiry ON slack_inbox (expires_at);

-- One-time codes by which an operator proves who they are somewhere else; one each.
CREATE TABLE link_codes (
    workspace BLOB NOT NULL, operator BLOB NOT NULL, hash BLOB NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (workspace, operator)
) WITHOUT ROWID;
CREATE UNIQUE INDEX link_codes_by_hash ON link_codes (workspace, hash);
CREATE INDEX link_codes_expiry ON link_codes (expires_at);
