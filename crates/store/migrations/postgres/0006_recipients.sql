-- Deliveries to single people: who, about which request, and where the message went. Sixteen zero bytes are the channel itself.
ALTER TABLE deliveries
    ADD COLUMN recipient bytea NOT NULL DEFAULT '\x00000000000000000000000000000000',
    ADD COLUMN request bytea,
    ADD COLUMN urgent bigint NOT NULL DEFAULT 0,
    ADD COLUMN gathered_in bigint,
    ADD COLUMN reference text COLLATE "C",
    DROP CONSTRAINT deliveries_pkey,
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (workspace, channel, seq, recipient, kind);
-- What came before about the same request; who was told of it.
CREATE INDEX deliveries_by_request ON deliveries (workspace, request, seq) WHERE request IS NOT NULL;
-- What waits for one recipient, and when they last heard something.
CREATE INDEX deliveries_waiting ON deliveries (workspace, channel, recipient, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_told ON deliveries (workspace, channel, recipient, ended_at)
    WHERE state = 'delivered' AND urgent = 0;
