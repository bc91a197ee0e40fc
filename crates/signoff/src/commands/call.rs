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
    url: Option<String>,
    /// Its method [default: GET]
    #[arg(long, value_name = "METHOD", requires = "url")]
    http_method: Option<String>,
    /// A header of it, NAME:VALUE; may be given several times
    #[arg(long = "header", value_name = "NAME:VALUE", requires = "url")]
    headers: Vec<String>,
    /// Its body, as text
    #[arg(long, value_name = "TEXT", requires = "url")]
    body: Option<String>,
    /// Its body, as JSON
    #[arg(
        long = "json-body",
        value_name = "JSON",
        requires = "url",
        conflicts_with = "body"
    )]
    json: Option<String>,
    /// Name of the stored credential it is made with
    #[arg(long, value_name = "NAME", requires = "url")]
    grant: Option<String>,
}

impl CallArgs {
    /// The action with this call, if there is one.
    pub(crate) fn on(self, submit: Submit) -> anyhow::Result<Submit> {
        let Some(url) = self.url else {
            return Ok(submit);
        };
        let mut headers = BTreeMap::new();
        for header in self.headers {
            let (name, value) = header
                .split_once(':')
                .with_context(|| format!("`--header {header}`: write NAME:VALUE"))?;
            if headers.insert(name.to_owned(), value.trim().to_owned()).is_some() {
                anyhow::bail!("the header `{name}` is given twice");
            }
        }
        let json = self.json.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Submit {
            http: Some(HttpCall {
                method: self.http_method.unwrap_or_else(|| "GET".to_owned()),
                url,
                headers: (!headers.is_empty()).then_some(headers),
                body: self.body,
                json: json.context("`--json-body` is no JSON")?,
                grant: self.grant,
                ..HttpCall::default()
            }),
            ..submit
        })
    }
}
