-- Where each log was last written: a restored copy is another place, and is told by it.
ALTER TABLE heads ADD COLUMN place TEXT NOT NULL DEFAULT 'here';

-- Side tables.
-- Up to which feature level records may be written. One row.
CREATE TABLE installation (one INTEGER PRIMARY KEY CHECK (one = 1), feature_level INTEGER NOT NULL);
INSERT INTO installation VALUES (1, 2);
-- Who works at what; a fence is never given twice.
CREATE TABLE leases (
    fence INTEGER PRIMARY KEY AUTOINCREMENT, workspace BLOB NOT NULL, subject BLOB NOT NULL, holder BLOB NOT NULL,
    until INTEGER NOT NULL, UNIQUE (workspace, subject)
);
-- The folded state at the last cut of a log. Its digest stands in the record of the cut.
CREATE TABLE checkpoints (
    workspace BLOB NOT NULL, seq INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (workspace, seq));
