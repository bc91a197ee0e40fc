//! How a key that is made looks.

use clap::{Args, ValueEnum};
use signoff_api::{KeyDialect, KeyRequest};

/// Published clients that insist on a shape of their own.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dialect {
    /// alter-sdk
    Alter,
}

/// The option of every command that makes a key.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ShapeArgs {
    /// Make the key in the shape that this client insists on
    #[arg(long, value_enum)]
    dialect: Option<Dialect>,
}

impl ShapeArgs {
    /// As the API takes it.
    pub(crate) fn request(self) -> KeyRequest {
        KeyRequest {
            dialect: self.dialect.map(|Dialect::Alter| KeyDialect::Alter),
        }
    }
}
