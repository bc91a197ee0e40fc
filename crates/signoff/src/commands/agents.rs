//! `signoff agents`: who asks, and with which key.

use clap::Subcommand;
use signoff_api::agent::{AgentCreate, AgentCreated};

use crate::cli::Global;
use crate::commands::list::PageArgs;
use crate::commands::shape::ShapeArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, table, time};

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Make an agent and show its key, this once
    Create {
        /// Its name
        name: String,
        /// Id or e-mail address of the operator answerable for it
        #[arg(long, value_name = "OPERATOR")]
        owner: Option<String>,
        /// A label that policies may match; may be repeated
        #[arg(long = "label", value_name = "K=V", value_parser = label)]
        labels: Vec<(String, String)>,
        #[command(flatten)]
        shape: ShapeArgs,
    },
    /// List agents
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Give an agent a further key; the others go on working
    CreateKey {
        /// Its name or id
        agent: String,
        #[command(flatten)]
        shape: ShapeArgs,
    },
    /// Give an agent a new key; the old ones stop working
    RotateKey {
        /// Its name or id
        agent: String,
        #[command(flatten)]
        shape: ShapeArgs,
    },
}

pub(crate) async fn run(global: &Global, command: AgentsCommand) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    match command {
        AgentsCommand::Create {
            name,
            owner,
            labels,
            shape,
        } => {
            let labels = (!labels.is_empty()).then(|| labels.into_iter().collect());
            let create = AgentCreate {
                name,
                labels,
                owner,
                dialect: shape.request().dialect,
            };
            let created = client.agent_create(&create, None).await?;
            show_key(global, &created)?;
        }
        AgentsCommand::List { page } => {
            let page = client.agent_list(&page.into()).await?;
            output::page(
                global.json,
                &page,
                "no agents yet: `signoff agents create NAME` makes one",
                |items| {
                    let rows = items.iter().map(|agent| {
                        let owner = agent
                            .owner
                            .as_ref()
                            .map_or_else(|| "-".to_owned(), |owner| owner.name.clone());
                        let created = time::ago(&agent.created_at);
                        [
                            agent.id.clone(),
                            agent.name.clone(),
                            if agent.stopped {
                                "stopped".to_owned()
                            } else {
                                agent.status.to_string()
                            },
                            owner,
                            created,
                        ]
                    });
                    table::render(["ID", "NAME", "STATUS", "OWNER", "CREATED"], rows)
                },
            )?;
        }
        AgentsCommand::CreateKey { agent, shape } => {
            let made = client.agent_create_key(&agent, shape.request(), None).await?;
            show_key(global, &made)?;
        }
        AgentsCommand::RotateKey { agent, shape } => {
            let made = client.agent_rotate_key(&agent, shape.request(), None).await?;
            show_key(global, &made)?;
        }
    }
    Ok(Exit::Ok)
}

/// The key alone goes to standard output, so that `KEY=$(signoff agents create bot)` works.
fn show_key(global: &Global, created: &AgentCreated) -> anyhow::Result<()> {
    if global.json {
        return output::json(created);
    }
    output::talk(&format!(
        "{} ({})",
        inert::line(&created.agent.name),
        inert::line(&created.agent.id)
    ));
    output::talk("its key, shown this once; give it to the agent as SIGNOFF_API_KEY:");
    output::data(created.api_key.as_ref().map_or("", |key| key.expose()))
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write k=v".to_owned()),
    }
}
