//! signoff-engine
