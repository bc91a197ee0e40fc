//! How an HTTP request is written on the command line: for `check` and `policy explain`.

use std::collections::BTreeMap;

use anyhow::Context as _;
use clap::Args;
use signoff_api::action::Submit;
use signoff_api::http::HttpCall;

/// The HTTP request that the action stands for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The call it stands for")]
pub(crate) struct CallArgs {
    /// Where the call goes
    #[arg(long, value_name = "URL")]
    http_url: Option<String>,
    /// Its method [default: GET]
    #[arg(long, value_name = "METHOD", requires = "http_url")]
    http_method: Option<String>,
    /// A header of it, NAME:VALUE; may be given several times
    #[arg(long = "http-header", value_name = "NAME:VALUE", requires = "http_url")]
    http_headers: Vec<String>,
    /// Its body, as text
    #[arg(long, value_name = "TEXT", requires = "http_url")]
    http_body: Option<String>,
    /// Its body, as JSON
    #[arg(
        long,
        value_name = "JSON",
        requires = "http_url",
        conflicts_with = "http_body"
    )]
    http_json: Option<String>,
    /// Name of the stored credential it is made with
    #[arg(long, value_name = "NAME", requires = "http_url")]
    grant: Option<String>,
}

impl CallArgs {
    /// The action with this call, if there is one.
    pub(crate) fn on(self, submit: Submit) -> anyhow::Result<Submit> {
        let Some(url) = self.http_url else {
            return Ok(submit);
        };
        let mut headers = BTreeMap::new();
        for header in self.http_headers {
            let (name, value) = header
                .split_once(':')
                .with_context(|| format!("`--http-header {header}`: write NAME:VALUE"))?;
            if headers.insert(name.to_owned(), value.trim().to_owned()).is_some() {
                anyhow::bail!("the header `{name}` is given twice");
            }
        }
        let json = self.http_json.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Submit {
            http: Some(HttpCall {
                method: self.http_method.unwrap_or_else(|| "GET".to_owned()),
                url,
                headers: (!headers.is_empty()).then_some(headers),
                body: self.http_body,
                json: json.context("`--http-json` is no JSON")?,
                grant: self.grant,
                ..HttpCall::default()
            }),
            ..submit
        })
    }
}
