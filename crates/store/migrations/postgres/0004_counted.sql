-- What actions count for: an entry for each policy that looks back, and one for each field that it sums up. The columns
-- behind the times are there so that an index alone answers.
CREATE TABLE counted (
    workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL,
    policy bytea NOT NULL, field text COLLATE "C" NOT NULL, agent bytea NOT NULL, at bigint NOT NULL, seq bigint NOT NULL,
    whole bigint NOT NULL, nanos bigint NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX counted_of_agent ON counted (workspace, policy, field, agent, at, seq, whole, nanos);
CREATE INDEX counted_of_policy ON counted (workspace, policy, field, at, seq, whole, nanos);

-- Looking back is of feature level 4. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 4 WHERE feature_level < 4 AND NOT EXISTS (SELECT 1 FROM heads);
