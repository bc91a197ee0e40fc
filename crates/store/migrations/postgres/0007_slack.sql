-- What came from Slack: kept before it is acknowledged, handled once, and remembered for a while so that a replay changes
-- nothing. What it says is encrypted, and gone once it was handled.
CREATE TABLE slack_inbox (
    workspace bytea NOT NULL, channel bytea NOT NULL, key bytea NOT NULL, operator bytea, body bytea NOT NULL,
    received_at bigint NOT NULL, expires_at bigint NOT NULL, handled_at bigint,
    PRIMARY KEY (workspace, channel, key)
);
CREATE INDEX slack_inbox_waiting ON slack_inbox (received_at) WHERE handled_at IS NULL;
CREATE INDEX slack_inbox_expiry ON slack_inbox (expires_at);

-- One-time codes by which an operator proves who they are somewhere else; one each.
CREATE TABLE link_codes (
    workspace bytea NOT NULL, operator bytea NOT NULL, hash bytea NOT NULL, expires_at bigint NOT NULL,
    PRIMARY KEY (workspace, operator)
);
CREATE UNIQUE INDEX link_codes_by_hash ON link_codes (workspace, hash);
CREATE INDEX link_codes_expiry ON link_codes (expires_at);
