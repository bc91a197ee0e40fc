//! `signoff webhooks`: signed messages to the outside.

use clap::Subcommand;
use signoff_api::webhook::WebhookCreate;

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, table, time};

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Add a webhook and show its signing secret, this once
    Add {
        /// Its name
        name: String,
        /// The URL that it posts to, signed with the secret (Standard Webhooks)
        #[arg(value_name = "TARGET-URL")]
        target: String,
        /// An event type such as approval.pending or approval.*; may be repeated [default: all]
        #[arg(long = "event", value_name = "TYPE")]
        events: Vec<String>,
    },
    /// List webhooks
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Remove a webhook
    Remove {
        /// Its id
        id: String,
    },
}

pub(crate) async fn run(global: &Global, command: WebhooksCommand) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    match command {
        WebhooksCommand::Add { name, target, events } => {
            let events = (!events.is_empty()).then_some(events);
            let created = client
                .webhook_create(
                    &WebhookCreate {
                        name,
                        url: target,
                        events,
                        secret: None,
                    },
                    None,
                )
                .await?;
            if global.json {
                output::json(&created)?;
            } else {
                output::talk(&format!(
                    "{}: its signing secret, shown this once:",
                    inert::line(&created.webhook.id)
                ));
                output::data(created.secret.as_ref().map_or("", |secret| secret.expose()))?;
            }
        }
        WebhooksCommand::List { page } => {
            let page = client.webhook_list(&page.into()).await?;
            output::page(
                global.json,
                &page,
                "no webhooks yet: `signoff webhooks add NAME URL` adds one",
                |items| {
                    let rows = items.iter().map(|webhook| {
                        let events = if webhook.events.is_empty() {
                            "all".to_owned()
                        } else {
                            webhook.events.join(",")
                        };
                        let created = time::ago(&webhook.created_at);
                        [
                            webhook.id.clone(),
                            webhook.name.clone(),
                            webhook.origin.clone(),
                            events,
                            webhook.status.to_string(),
                            created,
                        ]
                    });
                    table::render(["ID", "NAME", "POSTS TO", "EVENTS", "STATUS", "CREATED"], rows)
                },
            )?;
        }
        WebhooksCommand::Remove { id } => {
            client.webhook_remove(&id).await?;
            if global.json {
                output::json(&serde_json::json!({"id": id, "removed": true}))?;
            } else {
                output::talk("removed");
            }
        }
    }
    Ok(Exit::Ok)
}
