//! signoff-server
