-- What is on its way, by its state: a stop takes back what is ready, and names what agents or Signoff have in hand.
-- Queries repeat the condition word for word.
CREATE INDEX executions_open ON executions (workspace, state, id, agent) WHERE state IN ('ready', 'consumed', 'executing');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('executions', 'executions_open', '30000 30000 10000 1 1');
ANALYZE sqlite_schema;

-- Stops are of feature level 3. Where nothing was ever written, no older node can be about.
UPDATE installation SET feature_level = 3 WHERE feature_level < 3 AND NOT EXISTS (SELECT 1 FROM heads);
