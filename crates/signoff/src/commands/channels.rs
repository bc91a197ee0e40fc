//! `signoff channels`: how people and programs are told.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use signoff_api::PageQuery;
use signoff_api::channel::{Channel, ChannelCreate, ChannelKind, ChannelUpdate, SecretRotate, Settings};
use signoff_api::duration::Duration;
use signoff_client::Client;

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, table, time};

/// What others on the machine must not read off a command line.
const SECRETS: [&str; 7] = [
    "password",
    "bot_token",
    "signing_secret",
    "routing_key",
    "auth_token",
    "token",
    "secret",
];

/// What to do with channels.
#[derive(Debug, Subcommand)]
pub(crate) enum ChannelsCommand {
    /// Add a channel
    ///
    /// Settings are written NAME=VALUE. A value may be env:NAME or @FILE; passwords, tokens and keys must be.
    #[command(after_help = "Examples:\n  \
        signoff channels add email mail host=smtp.example.com port=587 from=signoff@example.com username=signoff password=env:SMTP_PASSWORD\n  \
        signoff channels add slack chat bot_token=@bot-token signing_secret=@signing-secret team=T0123 conversation=C0123\n  \
        signoff channels add pagerduty pager routing_key=env:PAGERDUTY_KEY --named-only\n  \
        signoff channels add webhook deploys url=https://hooks.example.com/signoff --event 'approval.*'\n\n\
        What each kind needs: docs/channels")]
    Add {
        /// webhook, callback, email, slack, slack_webhook, teams, pagerduty, sms or push
        kind: ChannelKind,
        /// Its name; policies say channel:NAME
        name: String,
        /// Settings
        #[arg(value_name = "NAME=VALUE")]
        settings: Vec<String>,
        #[command(flatten)]
        told: ToldArgs,
    },
    /// Change a channel
    Set {
        /// Its name or id
        channel: String,
        /// Settings that change
        #[arg(value_name = "NAME=VALUE")]
        settings: Vec<String>,
        /// A setting to take away; may be repeated
        #[arg(long, value_name = "NAME")]
        clear: Vec<String>,
        #[command(flatten)]
        told: ToldArgs,
        /// Nothing is sent by it from now on
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// It sends again
        #[arg(long)]
        enable: bool,
    },
    /// List channels
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one channel, without what is secret
    Show {
        /// Its name or id
        channel: String,
    },
    /// Send a test message now, and say what came of it
    Test {
        /// Its name or id
        channel: String,
    },
    /// What was sent, how often, and what came back
    Deliveries {
        /// Its name or id
        channel: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Send again what was told of one event
    Redeliver {
        /// Its name or id
        channel: String,
        /// The delivery's number, as `deliveries` shows it
        seq: u64,
    },
    /// Make a new signing secret and show it, this once; the old one signs beside it for a while
    RotateSecret {
        /// Its name or id
        channel: String,
        /// How long the old one signs [default: 1d]
        #[arg(long, value_name = "SPAN")]
        old_secret_lasts: Option<Duration>,
    },
    /// Remove a channel
    Remove {
        /// Its name or id
        channel: String,
    },
}

/// What it is told of.
#[derive(Debug, Args)]
pub(crate) struct ToldArgs {
    /// An event type such as approval.pending or approval.*; may be repeated
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// Told only of what a policy names it for, and of what goes to people whom it reaches
    #[arg(long)]
    named_only: bool,
    /// The least time between two messages to one person or conversation [default: 1m]
    #[arg(long, value_name = "SPAN")]
    window: Option<Duration>,
}

/// A value as written, out of the environment, or out of a file.
fn value(name: &str, text: &str) -> anyhow::Result<String> {
    if let Some(variable) = text.strip_prefix("env:") {
        return std::env::var(variable)
            .with_context(|| format!("{name}: the variable {variable} is not set"));
    }
    if let Some(path) = text.strip_prefix('@') {
        let read = std::fs::read_to_string(path).with_context(|| format!("{name}: {path} can't be read"))?;
        return Ok(read.trim_end_matches(['\r', '\n']).to_owned());
    }
    if SECRETS.contains(&name) {
        bail!(
            "{name} is a secret, and others on this machine can read command lines: write {name}=env:VARIABLE or {name}=@FILE"
        );
    }
    Ok(text.to_owned())
}

/// Reads settings of a kind, and lets the wire type say what is wrong with them.
fn settings(kind: ChannelKind, given: &[String]) -> anyhow::Result<Settings> {
    let mut fields = Map::new();
    for given in given {
        let (name, text) = given
            .split_once('=')
            .with_context(|| format!("`{given}` is not NAME=VALUE"))?;
        let text = value(name, text)?;
        let field = match name {
            "port" => Value::from(text.parse::<u16>().context("port is a number up to 65535")?),
            "asymmetric" => Value::from(text.parse::<bool>().context("asymmetric is true or false")?),
            "to" | "allow" => text.split(',').map(str::trim).collect(),
            _ => Value::from(text),
        };
        fields.insert(name.to_owned(), field);
    }
    let mut all = Map::new();
    all.insert(kind.to_string(), Value::Object(fields));
    serde_json::from_value(Value::Object(all)).with_context(|| format!("settings of the kind {kind}"))
}

/// A channel by name or id.
async fn found(client: &Client, channel: &str) -> anyhow::Result<Channel> {
    if channel.starts_with("chn_") {
        return Ok(client.channel_view(channel).await?);
    }
    let mut query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    loop {
        let page = client.channel_list(&query).await?;
        let mut items = page.items.into_iter();
        if let Some(found) = items.find(|one| one.name.eq_ignore_ascii_case(channel)) {
            return Ok(found);
        }
        let Some(next) = page.next_cursor else {
            bail!("there is no channel `{channel}`: `signoff channels list` shows them")
        };
        query.cursor = Some(next);
    }
}

pub(crate) async fn run(global: &Global, command: ChannelsCommand) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    match command {
        ChannelsCommand::Add {
            kind,
            name,
            settings: given,
            told,
        } => {
            let create = ChannelCreate {
                name,
                settings: settings(kind, &given)?,
                events: (!told.events.is_empty()).then_some(told.events),
                named_only: told.named_only.then_some(true),
                window: told.window,
            };
            let created = client.channel_create(&create, None).await?;
            if global.json {
                output::json(&created)?;
            } else {
                let secret = created.secret.as_ref().map(|secret| secret.expose().to_owned());
                made(&created.channel, secret.as_deref())?;
            }
        }
        ChannelsCommand::Set {
            channel,
            settings: given,
            clear,
            told,
            disable,
            enable,
        } => {
            let channel = found(&client, &channel).await?;
            let update = ChannelUpdate {
                settings: (!given.is_empty())
                    .then(|| settings(channel.kind, &given))
                    .transpose()?,
                events: (!told.events.is_empty()).then_some(told.events),
                named_only: told.named_only.then_some(true),
                window: told.window,
                disabled: (disable || enable).then_some(disable),
                clear: (!clear.is_empty()).then_some(clear),
                ..ChannelUpdate::default()
            };
            let updated = client.channel_update(&channel.id, &update).await?;
            if global.json {
                output::json(&updated)?;
            } else if updated.changed.is_empty() {
                output::talk("nothing changed: it is so already");
            } else {
                output::talk(&format!("changed: {}", updated.changed.join(", ")));
            }
        }
        ChannelsCommand::List { page } => list(global, &client, &page.into()).await?,
        ChannelsCommand::Show { channel } => output::json(&found(&client, &channel).await?)?,
        ChannelsCommand::Test { channel } => return test(global, &client, &channel).await,
        ChannelsCommand::Deliveries { channel, page } => {
            let channel = found(&client, &channel).await?;
            deliveries(global, &client, &channel, &page.into()).await?;
        }
        ChannelsCommand::Redeliver { channel, seq } => {
            let channel = found(&client, &channel).await?;
            let again = client.channel_redeliver(&channel.id, seq).await?;
            if global.json {
                output::json(&again)?;
            } else {
                output::talk(&format!("{} on the way again", again.messages));
            }
        }
        ChannelsCommand::RotateSecret {
            channel,
            old_secret_lasts,
        } => {
            let channel = found(&client, &channel).await?;
            let rotate = SecretRotate { old_secret_lasts };
            let rotated = client.channel_rotate_secret(&channel.id, &rotate).await?;
            if global.json {
                output::json(&rotated)?;
            } else {
                output::talk(
                    "its new signing secret, shown this once; the old one signs beside it for a while:",
                );
                output::data(rotated.secret.as_ref().map_or("", |secret| secret.expose()))?;
            }
        }
        ChannelsCommand::Remove { channel } => {
            let channel = found(&client, &channel).await?;
            client.channel_remove(&channel.id).await?;
            if global.json {
                output::json(&serde_json::json!({"id": channel.id, "removed": true}))?;
            } else {
                output::talk("removed");
            }
        }
    }
    Ok(Exit::Ok)
}

fn made(channel: &Channel, secret: Option<&str>) -> anyhow::Result<()> {
    let (id, name) = (inert::line(&channel.id), inert::line(&channel.name));
    match secret {
        Some(secret) => {
            output::talk(&format!("{id}: its signing secret, shown this once:"));
            output::data(secret)?;
        }
        None => output::talk(&format!("{id}: try it with `signoff channels test {name}`")),
    }
    if let Some(url) = &channel.interactions_url {
        output::talk(&format!("Slack: interactivity goes to {url}"));
    }
    if let Some(url) = &channel.commands_url {
        output::talk(&format!("Slack: the command /signoff goes to {url}"));
    }
    Ok(())
}

async fn test(global: &Global, client: &Client, channel: &str) -> anyhow::Result<Exit> {
    let channel = found(client, channel).await?;
    let tested = client.channel_test(&channel.id).await?;
    if global.json {
        output::json(&tested)?;
    } else {
        let to = inert::line(&tested.to);
        if tested.delivered {
            output::talk(&format!("delivered to {to}"));
        } else {
            output::talk(&format!("not delivered to {to}: {}", inert::line(&tested.detail)));
        }
    }
    Ok(if tested.delivered { Exit::Ok } else { Exit::Refused })
}

async fn list(global: &Global, client: &Client, page: &PageQuery) -> anyhow::Result<()> {
    let page = client.channel_list(page).await?;
    output::page(
        global.json,
        &page,
        "no channels yet: `signoff channels add KIND NAME …` adds one",
        |items| {
            let rows = items.iter().map(|channel| {
                let told = match (channel.named_only, channel.events.is_empty()) {
                    (true, _) => "what names it".to_owned(),
                    (false, true) => "all".to_owned(),
                    (false, false) => channel.events.join(","),
                };
                let status = match &channel.switched_off {
                    Some(why) => format!("{} ({why})", channel.status),
                    None => channel.status.to_string(),
                };
                let sends = channel.origin.clone();
                let kind = channel.kind.to_string();
                [
                    channel.name.clone(),
                    kind,
                    sends,
                    told,
                    status,
                    time::ago(&channel.created_at),
                ]
            });
            table::render(["NAME", "KIND", "SENDS TO", "TOLD OF", "STATUS", "CREATED"], rows)
        },
    )
}

async fn deliveries(
    global: &Global,
    client: &Client,
    channel: &Channel,
    page: &PageQuery,
) -> anyhow::Result<()> {
    let page = client.channel_deliveries(&channel.id, page).await?;
    output::page(global.json, &page, "nothing was sent yet", |items| {
        let rows = items.iter().map(|delivery| {
            let to = delivery
                .recipient
                .as_ref()
                .map_or("the channel", |person| &person.name);
            let what = delivery
                .last_error
                .clone()
                .or_else(|| delivery.last_status.map(|status| status.to_string()));
            [
                delivery.seq.to_string(),
                delivery.event.clone(),
                delivery.subject.clone(),
                to.to_owned(),
                delivery.status.to_string(),
                delivery.attempts.to_string(),
                what.unwrap_or_default(),
                time::ago(&delivery.created_at),
            ]
        });
        table::render(
            [
                "SEQ",
                "EVENT",
                "ABOUT",
                "TO",
                "STATUS",
                "TRIES",
                "CAME BACK",
                "WRITTEN",
            ],
            rows,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I7: what is secret never stands on a command line.
    #[test]
    fn i7_secrets_come_from_the_environment_or_a_file() {
        let given = [
            "host=smtp.example.com".to_owned(),
            "port=587".to_owned(),
            "password=hunter2".to_owned(),
        ];
        let refused = settings(ChannelKind::Email, &given).unwrap_err().to_string();
        assert!(
            refused.contains("env:VARIABLE") && !refused.contains("hunter2"),
            "{refused}"
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let given = [
            "to=a@example.com, b@example.com".to_owned(),
            format!("password=@{}", path.display()),
        ];
        let email = settings(ChannelKind::Email, &given).unwrap().email.unwrap();
        assert_eq!(email.password.unwrap().expose(), "hunter2");
        assert_eq!(email.to.unwrap(), ["a@example.com", "b@example.com"]);
        for wrong in ["host", "hots=x", "port=x"] {
            assert!(
                settings(ChannelKind::Email, &[wrong.to_owned()]).is_err(),
                "{wrong}"
            );
        }
    }
}
