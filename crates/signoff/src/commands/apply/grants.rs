//! Grants: terms as the file says, values from where it says. A value is read, compared by its fingerprint and sent; it is
//! in no plan.

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use signoff_api::Secret;
use signoff_api::file::{GrantEntry, ValueFrom};
use signoff_api::grant::{CredentialType, Grant, GrantCreate, GrantUpdate, IdempotentProvider, Redact};
use signoff_client::{Client, Error};
use signoff_server::offline;

use super::plan::{self, Change, Field, Kind, Step, What};
use super::present;
use crate::commands::grants::secret;

/// Fields of a grant that are not its terms.
const NOT_TERMS: [&str; 7] = [
    "id",
    "name",
    "stopped",
    "fingerprint",
    "version",
    "created_at",
    "changed_at",
];
/// How long a call may take where nothing is said of it.
const TIMEOUT: signoff_api::Duration = signoff_api::Duration::Seconds(60);

/// What has to change, and what is missing for it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    /// Values that nobody gave, each with what to do.
    pub(super) missing: Vec<String>,
    /// Values that nobody gave and that are there already.
    pub(super) kept: Vec<String>,
}

/// Compares a file's grants with those of a server.
pub(super) async fn changes(client: &Client, wanted: &[GrantEntry]) -> anyhow::Result<Found> {
    let present = present::all(async |page| client.grant_list(&page).await).await?;
    let mut found = Found::default();
    for entry in wanted {
        let there = present
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(&entry.name));
        compare(entry, there, &mut found)?;
    }
    let gone = present.iter().filter(|one| {
        !wanted
            .iter()
            .any(|entry| entry.name.eq_ignore_ascii_case(&one.name))
    });
    found.changes.extend(gone.map(|one| {
        let step = Some(Step::GrantRemove(one.id.clone()));
        Change::new(Kind::Grant, &one.name, What::Remove, Vec::new(), step)
    }));
    Ok(found)
}

fn compare(entry: &GrantEntry, there: Option<&Grant>, found: &mut Found) -> anyhow::Result<()> {
    let value = given(entry, "value", entry.value.as_ref())?;
    let client_secret = given(entry, "client_secret", entry.client_secret.as_ref())?;
    // Half of a value is none: the other half would be lost.
    let is_whole = matches!(value, Given::Found(_)) && !matches!(client_secret, Given::Missing(_));
    let (value, why) = match (value, client_secret) {
        (Given::Found(value), Given::Found(secret)) => (Some((value, Some(secret))), String::new()),
        (Given::Found(value), Given::Unnamed) => (Some((value, None)), String::new()),
        (Given::Missing(why), _) | (_, Given::Missing(why)) => (None, why),
        (Given::Unnamed, _) => (
            None,
            "say where it is: `value: {env: NAME}` or `value: {file: PATH}`".to_owned(),
        ),
    };
    let create = create_of(entry, value);
    let normal = offline::grant(create.clone(), is_whole).map_err(|problem| {
        anyhow::Error::new(Error::Problem(problem)).context(format!("grant `{}`", entry.name))
    })?;
    let new = terms(&normal.grant);
    let Some(there) = there else {
        if !is_whole {
            found
                .missing
                .push(format!("{}: its value is missing: {why}", entry.name));
        }
        let mut fields = plan::differences(&Value::Null, &new);
        fields.retain(|field| !says_nothing(&field.new));
        fields.push(Field {
            path: "value".to_owned(),
            old: Value::Null,
            new: json!(source(entry, is_whole)),
        });
        let step = Some(Step::GrantCreate(Box::new(create)));
        found
            .changes
            .push(Change::new(Kind::Grant, &entry.name, What::Create, fields, step));
        return Ok(());
    };
    let mut fields = plan::differences(&terms(there), &new);
    let needs_value = flow(there) != flow(&normal.grant);
    match &normal.fingerprint {
        Some(fingerprint) if *fingerprint != there.fingerprint => fields.push(Field {
            path: "value".to_owned(),
            old: json!(format!("fingerprint {}", there.fingerprint)),
            new: json!(format!("fingerprint {fingerprint}")),
        }),
        None if needs_value => found.missing.push(format!(
            "{}: another kind of credential needs its own value: {why}",
            entry.name
        )),
        None if entry.value.is_some() => {
            found
                .kept
                .push(format!("{}: the value stays as it is: {why}", entry.name));
        }
        _ => {}
    }
    if !fields.is_empty() {
        // The same value is not sent again: a provider may have given a newer token in its place since.
        let is_new = |fingerprint: &String| needs_value || *fingerprint != there.fingerprint;
        let update = update_of(create, normal.fingerprint.as_ref().is_some_and(is_new));
        let step = Some(Step::GrantUpdate(there.id.clone(), Box::new(update)));
        found
            .changes
            .push(Change::new(Kind::Grant, &there.name, What::Update, fields, step));
    }
    Ok(())
}

/// What came of looking for a secret.
enum Given {
    Unnamed,
    /// It is not where the file says; how to bring it there.
    Missing(String),
    Found(Secret),
}

fn given(entry: &GrantEntry, field: &str, from: Option<&ValueFrom>) -> anyhow::Result<Given> {
    Ok(match from {
        None => Given::Unnamed,
        Some(ValueFrom::Environment(named)) => match std::env::var(&named.env) {
            Ok(text) if !text.trim().is_empty() => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                Given::Found(Secret::new(text))
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                bail!(
                    "grant `{}`: `{}` of the environment is not UTF-8",
                    entry.name,
                    named.env
                )
            }
            _ => Given::Missing(format!(
                "set `{}` in the environment of `signoff apply`",
                named.env
            )),
        },
        Some(ValueFrom::File(named)) if named.file == "-" => {
            bail!(
                "grant `{}`: `{field}` can't come from standard input; name a file",
                entry.name
            )
        }
        Some(ValueFrom::File(named)) => {
            let path = std::path::Path::new(&named.file);
            let is_there = path
                .try_exists()
                .with_context(|| format!("can't look at `{}`", named.file))?;
            if is_there {
                Given::Found(secret(&named.file).with_context(|| format!("grant `{}`", entry.name))?)
            } else {
                Given::Missing(format!("there is no file `{}`", named.file))
            }
        }
    })
}

/// Where the value of a new grant comes from, in words.
fn source(entry: &GrantEntry, is_whole: bool) -> String {
    match &entry.value {
        _ if !is_whole => "(MISSING)".to_owned(),
        Some(ValueFrom::Environment(named)) => format!("(from the environment's {})", named.env),
        Some(ValueFrom::File(named)) => format!("(from the file {})", named.file),
        None => "(MISSING)".to_owned(),
    }
}

fn create_of(entry: &GrantEntry, value: Option<(Secret, Option<Secret>)>) -> GrantCreate {
    let entry = entry.clone();
    let (value, client_secret) = value.unwrap_or_else(|| (Secret::new(""), None));
    GrantCreate {
        name: entry.name,
        credential: entry.credential,
        value,
        client_secret,
        origins: entry.origins,
        methods: entry.methods,
        paths: entry.paths,
        agents: entry.agents,
        labels: entry.labels,
        timeout: entry.timeout,
        idempotent: entry.idempotent,
        redact: entry.redact,
        disabled: entry.disabled,
    }
}

/// All terms, so that what the file leaves out is taken away.
fn update_of(create: GrantCreate, with_value: bool) -> GrantUpdate {
    let nothing = || IdempotentProvider {
        header: String::new(),
        window: None,
    };
    let redact = create.redact.unwrap_or_default();
    GrantUpdate {
        name: Some(create.name),
        credential: Some(create.credential),
        value: with_value.then_some(create.value),
        client_secret: create.client_secret.filter(|_| with_value),
        origins: Some(create.origins),
        methods: Some(create.methods.unwrap_or_default()),
        paths: Some(create.paths.unwrap_or_default()),
        agents: Some(create.agents.unwrap_or_default()),
        labels: Some(create.labels.unwrap_or_default()),
        timeout: Some(create.timeout.unwrap_or(TIMEOUT)),
        idempotent: Some(create.idempotent.unwrap_or_else(nothing)),
        redact: Some(Redact {
            headers: Some(redact.headers.unwrap_or_default()),
            json: Some(redact.json.unwrap_or_default()),
        }),
        disabled: Some(create.disabled.unwrap_or_default()),
    }
}

/// What a grant says beside its name, in the one form that both sides are brought to.
fn terms(grant: &Grant) -> Value {
    let mut grant = grant.clone();
    grant.timeout = grant.timeout.or(Some(TIMEOUT));
    let mut terms = match serde_json::to_value(grant) {
        Ok(Value::Object(terms)) => terms,
        _ => Map::new(),
    };
    terms.retain(|name, _| !NOT_TERMS.contains(&name.as_str()));
    Value::Object(terms)
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// A value of one flow is none of another, as the server sees it.
fn flow(grant: &Grant) -> Option<signoff_api::grant::OauthFlow> {
    let is_oauth = grant.credential.kind == CredentialType::Oauth2;
    grant.credential.flow.filter(|_| is_oauth)
}
