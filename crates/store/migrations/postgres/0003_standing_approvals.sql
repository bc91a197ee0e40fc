-- Standing approvals: one person's answer for further requests of the same kind.
CREATE TABLE standing_approvals (
    workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id)) WITH (fillfactor = 50);

-- They are of feature level 4. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 4 WHERE feature_level < 4 AND NOT EXISTS (SELECT 1 FROM heads);
