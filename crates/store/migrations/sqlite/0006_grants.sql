-- Stored credentials, and the calls that are made with them.
CREATE TABLE grants (
    workspace BLOB NOT NULL, id BLOB NOT NULL, row BLOB NOT NULL, PRIMARY KEY (workspace, id));

-- 1 while there is a call to make, or one is being made.
ALTER TABLE executions ADD COLUMN call INTEGER;
CREATE INDEX executions_calls ON executions (call, id) WHERE call IS NOT NULL;

-- What waits for a person to settle it is on its way too.
DROP INDEX executions_open;
CREATE INDEX executions_open ON executions (workspace, state, id, agent)
    WHERE state IN ('ready', 'consumed', 'executing', 'indeterminate');
DELETE FROM sqlite_stat1 WHERE idx = 'executions_open';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('executions', 'executions_open', '30000 30000 10000 1 1'),
    ('executions', 'executions_calls', '500 500 1');
ANALYZE sqlite_schema;

-- They are of feature level 5. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 5 WHERE feature_level < 5 AND NOT EXISTS (SELECT 1 FROM heads);
