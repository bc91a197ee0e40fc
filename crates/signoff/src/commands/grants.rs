//! `signoff grants`: credentials that agents use without seeing them.

use anyhow::bail;
use clap::{Args, Subcommand};
use signoff_api::grant::{
    Credential, CredentialType, Grant, GrantCreate, GrantKeysRotated, GrantUpdate, IdempotentProvider,
    OauthClientAuth, OauthFlow, Redact,
};
use signoff_api::{Duration, Secret};

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{fields, inert, output, table, time};

const AFTER_CREATE: &str = "\
The value is read from standard input, or from --value-file; it is never an argument, which other users of the machine
could read. It is kept encrypted and never shown again.

  printf %s \"$STRIPE_KEY\" | signoff grants create stripe-live --origin https://api.stripe.com --agent billing-bot";

/// What to do with grants.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// Keep a credential, and say where it may go and who holds it
    #[command(after_help = AFTER_CREATE)]
    Create {
        /// Its name
        name: String,
        /// Scheme, host and port of where it may go; may be repeated
        #[arg(long = "origin", value_name = "ORIGIN", required = true)]
        origins: Vec<String>,
        #[command(flatten)]
        value: ValueArgs,
        #[command(flatten)]
        credential: CredentialArgs,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// List grants, without their values
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one grant, without its value
    Show {
        /// Its name or id
        grant: String,
    },
    /// Change a grant: what is not given stays
    ///
    /// What was approved before a change is not carried out after it.
    Update {
        /// Its name or id
        grant: String,
        /// Give it another name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// All origins, in place of the present ones; may be repeated
        #[arg(long = "origin", value_name = "ORIGIN")]
        origins: Vec<String>,
        /// Read another value from standard input
        #[arg(long, conflicts_with = "value_file")]
        new_value: bool,
        #[command(flatten)]
        value: ValueArgs,
        #[command(flatten)]
        credential: CredentialArgs,
        #[command(flatten)]
        terms: TermsArgs,
        /// Nobody can use it from now on
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// It can be used again
        #[arg(long)]
        enable: bool,
    },
    /// Take a grant away: nothing is called with it any more
    Remove {
        /// Its name or id
        grant: String,
    },
    /// Seal every value anew, each with another key of its own
    ///
    /// Values and versions stay: what was approved stays approved, and no call is disturbed. The master key stays too:
    /// `signoff rotate-master-key`.
    RotateKeys,
}

/// Where the value comes from.
#[derive(Debug, Args)]
pub(crate) struct ValueArgs {
    /// A file with the value, `-` for standard input; a line feed at its end is not part of it
    #[arg(long, value_name = "FILE")]
    value_file: Option<String>,
    /// A file with the client's secret beside a refresh token
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<String>,
}

/// How it goes into a call.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it goes into a call")]
pub(crate) struct CredentialArgs {
    /// bearer, header, query, basic or oauth2 [default: bearer]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<CredentialType>,
    /// Name of the header or parameter
    #[arg(long, value_name = "NAME", requires = "kind")]
    in_name: Option<String>,
    /// What stands before the value in the header, such as `Token `
    #[arg(long, value_name = "TEXT", requires = "kind")]
    prefix: Option<String>,
    /// The user's name (basic)
    #[arg(long, value_name = "NAME", requires = "kind")]
    username: Option<String>,
    /// Where tokens are fetched (oauth2)
    #[arg(long, value_name = "URL", requires = "kind")]
    token_url: Option<String>,
    /// Who fetches them (oauth2)
    #[arg(long, value_name = "ID", requires = "kind")]
    client_id: Option<String>,
    /// What they are for (oauth2); may be repeated
    #[arg(long = "scope", value_name = "SCOPE", requires = "kind")]
    scopes: Vec<String>,
    /// `client_credentials` or `refresh_token` (oauth2)
    #[arg(long, value_name = "FLOW", requires = "kind")]
    flow: Option<OauthFlow>,
    /// basic or body: how the client says who it is (oauth2) [default: basic]
    #[arg(long, value_name = "HOW", requires = "kind")]
    client_auth: Option<OauthClientAuth>,
}

/// Who may use it, for what.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who may use it, for what")]
pub(crate) struct TermsArgs {
    /// Name or glob of an agent that holds it; may be repeated
    #[arg(long = "agent", value_name = "GLOB")]
    agents: Vec<String>,
    /// Agents with all of these labels hold it too; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A method it may be used with; may be repeated [default: all]
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// A URL pattern such as /v1/refunds/*; may be repeated [default: all]
    #[arg(long = "path", value_name = "PATTERN")]
    paths: Vec<String>,
    /// How long a call may take, at most 5m [default: 1m]
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Duration>,
    /// The header by which its provider knows a repeated call again
    #[arg(long, value_name = "HEADER")]
    idempotent_header: Option<String>,
    /// For how long it does [default: 1d]
    #[arg(long, value_name = "SPAN", requires = "idempotent_header")]
    idempotent_window: Option<Duration>,
    /// A header that operators are not shown; may be repeated
    #[arg(long = "redact-header", value_name = "HEADER")]
    redact_headers: Vec<String>,
    /// A JSON pointer into bodies that operators are not shown, `*` for every member; may be repeated
    #[arg(long = "redact-json", value_name = "POINTER")]
    redact_json: Vec<String>,
}

pub(crate) async fn run(global: &Global, command: GrantsCommand) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    match command {
        GrantsCommand::Create {
            name,
            origins,
            value,
            credential,
            terms,
        } => {
            let create = GrantCreate {
                name,
                credential: credential.read().unwrap_or_default(),
                value: secret(value.value_file.as_deref().unwrap_or("-"))?,
                client_secret: value.client_secret()?,
                origins,
                methods: some(terms.methods),
                paths: some(terms.paths),
                agents: some(terms.agents),
                labels: (!terms.labels.is_empty()).then(|| terms.labels.into_iter().collect()),
                timeout: terms.timeout,
                idempotent: idempotent(terms.idempotent_header, terms.idempotent_window),
                redact: redact(terms.redact_headers, terms.redact_json),
                disabled: None,
            };
            told(global, &client.grant_create(&create, None).await?, "kept")?;
        }
        GrantsCommand::List { page } => {
            let page = client.grant_list(&page.into()).await?;
            let nothing = "no grants yet: `signoff grants create NAME --origin ORIGIN` keeps a credential";
            output::page(global.json, &page, nothing, rows)?;
        }
        GrantsCommand::Show { grant } => {
            output::either(global.json, &client.grant_view(&grant).await?, shown)?;
        }
        GrantsCommand::Update {
            grant,
            name,
            origins,
            new_value,
            value,
            credential,
            terms,
            disable,
            enable,
        } => {
            let file = value.value_file.as_deref().or(new_value.then_some("-"));
            let update = GrantUpdate {
                name,
                credential: credential.read(),
                value: file.map(secret).transpose()?,
                client_secret: value.client_secret()?,
                origins: some(origins),
                methods: some(terms.methods),
                paths: some(terms.paths),
                agents: some(terms.agents),
                labels: (!terms.labels.is_empty()).then(|| terms.labels.into_iter().collect()),
                timeout: terms.timeout,
                idempotent: idempotent(terms.idempotent_header, terms.idempotent_window),
                redact: redact(terms.redact_headers, terms.redact_json),
                disabled: disable.then_some(true).or(enable.then_some(false)),
            };
            if update == GrantUpdate::default() {
                bail!("say what to change: `signoff grants update --help`");
            }
            told(global, &client.grant_update(&grant, &update).await?, "changed")?;
        }
        GrantsCommand::Remove { grant } => {
            client.grant_remove(&grant).await?;
            output::talk(&format!(
                "{}: nothing is called with it any more",
                inert::line(&grant)
            ));
        }
        GrantsCommand::RotateKeys => {
            // Asked once more where the answer was lost, it is still one rotation.
            let key = crate::random::key("rotate-keys")?;
            let rotated = client.grant_rotate_keys(Some(&key)).await?;
            output::either(global.json, &rotated, rotated_in_words)?;
            if !rotated.unopened.is_empty() {
                return Ok(Exit::Refused);
            }
        }
    }
    Ok(Exit::Ok)
}

fn rotated_in_words(rotated: &GrantKeysRotated) -> String {
    let mut lines = vec![format!("{} sealed anew", rotated.rotated)];
    if rotated.changed > 0 {
        lines.push(format!(
            "{} changed meanwhile, which seals anew as well",
            rotated.changed
        ));
    }
    lines.extend(rotated.unopened.iter().map(|one| {
        let name = inert::line(&one.name);
        format!(
            "{name} does not open and is as it was: look at `signoff audit verify --with-store`, then give it its value \
             again, `signoff grants update {name} --new-value`"
        )
    }));
    lines.join("\n")
}

impl ValueArgs {
    fn client_secret(&self) -> anyhow::Result<Option<Secret>> {
        self.client_secret_file.as_deref().map(secret).transpose()
    }
}

impl CredentialArgs {
    fn read(self) -> Option<Credential> {
        Some(Credential {
            kind: self.kind?,
            name: self.in_name,
            prefix: self.prefix,
            username: self.username,
            token_url: self.token_url,
            client_id: self.client_id,
            scopes: some(self.scopes),
            flow: self.flow,
            client_auth: self.client_auth,
        })
    }
}

/// A secret from a file, without the line feed that editors and `echo` put at its end.
pub(crate) fn secret(file: &str) -> anyhow::Result<Secret> {
    let text = fields::read(file)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        bail!("the value is empty: give it on standard input, or in a file by `--value-file`");
    }
    Ok(Secret::new(text))
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn idempotent(header: Option<String>, window: Option<Duration>) -> Option<IdempotentProvider> {
    header.map(|header| IdempotentProvider { header, window })
}

fn redact(headers: Vec<String>, json: Vec<String>) -> Option<Redact> {
    let redact = Redact {
        headers: some(headers),
        json: some(json),
    };
    Some(redact).filter(|redact| *redact != Redact::default())
}

fn told(global: &Global, grant: &Grant, what: &str) -> anyhow::Result<()> {
    if global.json {
        return output::json(grant);
    }
    let (name, fingerprint) = (inert::line(&grant.name), inert::line(&grant.fingerprint));
    output::talk(&format!("{name} {what}; fingerprint of its value: {fingerprint}"));
    output::data(&grant.id)
}

fn status(grant: &Grant) -> &'static str {
    match (grant.stopped, grant.disabled) {
        (true, _) => "stopped",
        (_, true) => "disabled",
        _ => "active",
    }
}

fn holders(grant: &Grant) -> String {
    let labels = grant.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let holders: Vec<String> = grant.agents.iter().cloned().chain(labels).collect();
    if holders.is_empty() {
        "nobody".to_owned()
    } else {
        holders.join(", ")
    }
}

fn rows(items: &[Grant]) -> String {
    let rows = items.iter().map(|grant| {
        [
            grant.id.clone(),
            grant.name.clone(),
            grant.credential.kind.to_string(),
            grant.origins.join(", "),
            holders(grant),
            status(grant).to_owned(),
            time::ago(&grant.changed_at),
        ]
    });
    table::render(
        ["ID", "NAME", "TYPE", "ORIGINS", "HELD BY", "STATUS", "CHANGED"],
        rows,
    )
}

fn shown(grant: &Grant) -> String {
    let credential = serde_json::to_string(&grant.credential).unwrap_or_default();
    let all = |list: &[String]| {
        if list.is_empty() {
            "all".to_owned()
        } else {
            list.join(", ")
        }
    };
    let idempotent = grant.idempotent.as_ref().map_or_else(
        || "no".to_owned(),
        |provider| {
            let window = provider
                .window
                .map(|window| format!(" for {window}"))
                .unwrap_or_default();
            format!("by {}{window}", provider.header)
        },
    );
    let redact = serde_json::to_string(&grant.redact).unwrap_or_default();
    let lines = [
        ("name", grant.name.clone()),
        ("status", status(grant).to_owned()),
        ("credential", credential),
        ("origins", grant.origins.join(", ")),
        ("methods", all(&grant.methods)),
        ("paths", all(&grant.paths)),
        ("held by", holders(grant)),
        (
            "timeout",
            grant
                .timeout
                .map_or_else(|| "1m".to_owned(), |timeout| timeout.to_string()),
        ),
        ("idempotent", idempotent),
        ("redact", redact),
        ("value", format!("not shown; fingerprint {}", grant.fingerprint)),
        (
            "version",
            format!("{}, changed {}", grant.version, time::ago(&grant.changed_at)),
        ),
        ("id", grant.id.clone()),
    ];
    let lines = lines.map(|(name, value)| format!("{name:<11}{}", inert::line(&value)));
    lines.join("\n")
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write k=v".to_owned()),
    }
}
