-- Standing approvals: one person's answer for further requests of the same kind.
CREATE TABLE standing_approvals (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));

-- They are of feature level 4. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 4 WHERE feature_level < 4 AND NOT EXISTS (SELECT 1 FROM heads);
