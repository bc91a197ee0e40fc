//! The wire formats of other products' clients, as bytes. The clients themselves are in `tests/dialects/`.

mod agentlattice;
mod humanlayer;
