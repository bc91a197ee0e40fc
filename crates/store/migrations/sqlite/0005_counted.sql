-- What actions count for: an entry for each policy that looks back, and one for each field that it sums up. The columns
-- behind the times are there so that an index alone answers.
CREATE TABLE counted (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL,
    policy BLOB NOT NULL, field TEXT NOT NULL, agent BLOB NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL,
    whole INTEGER NOT NULL, nanos INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX counted_of_agent ON counted (workspace, policy, field, agent, at, seq, whole, nanos);
CREATE INDEX counted_of_policy ON counted (workspace, policy, field, at, seq, whole, nanos);

-- Looking back is of feature level 4. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 4 WHERE feature_level < 4 AND NOT EXISTS (SELECT 1 FROM heads);
