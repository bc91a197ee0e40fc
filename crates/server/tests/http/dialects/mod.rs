//! Dialects over sockets, without the vendors' clients: what these never send, and what must not weaken an invariant. The
//! clients themselves run in `tests/dialects/`.

mod alter;
