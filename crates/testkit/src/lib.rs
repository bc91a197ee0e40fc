//! signoff-testkit
