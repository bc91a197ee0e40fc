//! Paging options that all lists share.

use clap::Args;
use signoff_api::PageQuery;

/// Which page of a list.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PageArgs {
    /// Items per page, 1 to 200 [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: Option<u32>,
    /// `next_cursor` of the page before
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

impl From<PageArgs> for PageQuery {
    fn from(args: PageArgs) -> Self {
        Self {
            cursor: args.cursor,
            limit: args.limit,
        }
    }
}
