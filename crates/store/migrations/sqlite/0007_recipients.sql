-- Deliveries to single people: who, about which request, and where the message went. Sixteen zero bytes are the channel itself.
CREATE TABLE deliveries_to (
    workspace BLOB NOT NULL, channel BLOB NOT NULL, seq INTEGER NOT NULL, recipient BLOB NOT NULL, kind TEXT NOT NULL,
    request BLOB, urgent INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, created_at INTEGER NOT NULL,
    next_at INTEGER, ended_at INTEGER, last_status INTEGER, last_error TEXT, gathered_in INTEGER, reference TEXT,
    PRIMARY KEY (workspace, channel, seq, recipient, kind)
) WITHOUT ROWID;
INSERT INTO deliveries_to (workspace, channel, seq, recipient, kind, urgent, state, attempts, created_at, next_at, ended_at,
    last_status, last_error)
    SELECT workspace, channel, seq, zeroblob(16), kind, 0, state, attempts, created_at, next_at, ended_at, last_status, last_error
    FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE deliveries_to RENAME TO deliveries;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_by_record ON deliveries (workspace, seq);
-- What came before about the same request; who was told of it.
CREATE INDEX deliveries_by_request ON deliveries (workspace, request, seq) WHERE request IS NOT NULL;
-- What waits for one recipient, and when they last heard something.
CREATE INDEX deliveries_waiting ON deliveries (workspace, channel, recipient, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_told ON deliveries (workspace, channel, recipient, ended_at) WHERE state = 'delivered' AND urgent = 0;
DELETE FROM sqlite_stat1 WHERE tbl IN ('deliveries', 'deliveries_to');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('deliveries', 'deliveries', '200000 200000 20000 2 1 1'),
    ('deliveries', 'deliveries_by_record', '200000 200000 3'),
    ('deliveries', 'deliveries_by_request', '200000 200000 4 1'),
    ('deliveries', 'deliveries_waiting', '200 200 100 10 1'),
    ('deliveries', 'deliveries_told', '100000 100000 20000 1000 1'),
    ('deliveries', 'deliveries_due', '200 2');
ANALYZE sqlite_schema;
