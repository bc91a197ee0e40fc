-- Stored credentials, and the calls that are made with them.
CREATE TABLE grants (
    workspace bytea NOT NULL, id bytea NOT NULL, row bytea NOT NULL, PRIMARY KEY (workspace, id)) WITH (fillfactor = 50);

-- 1 while there is a call to make, or one is being made.
ALTER TABLE executions ADD COLUMN call bigint;
CREATE INDEX executions_calls ON executions (id) WHERE call IS NOT NULL;

-- What waits for a person to settle it is on its way too.
DROP INDEX executions_open;
CREATE INDEX executions_open ON executions (workspace, state, id, agent)
    WHERE state IN ('ready', 'consumed', 'executing', 'indeterminate');

-- They are of feature level 5. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 5 WHERE feature_level < 5 AND NOT EXISTS (SELECT 1 FROM heads);
