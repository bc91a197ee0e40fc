//! `signoff operators`: who decides, and with which token.

use anyhow::{Context, bail};
use clap::Subcommand;
use signoff_api::group::GroupPut;
use signoff_api::operator::{OperatorCreate, Role, TokenCreate};
use signoff_api::{PageQuery, Secret};
use signoff_client::Client;

use crate::cli::Global;
use crate::commands::contact::{self, ContactArgs};
use crate::commands::list::PageArgs;
use crate::commands::shape::ShapeArgs;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{inert, output, table, time};

/// What to do with operators.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorsCommand {
    /// Add a person
    Create {
        /// What people call them
        name: String,
        /// Their e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// viewer, member or admin
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: Role,
        /// A group to put them in, made if it is new; may be repeated
        #[arg(long = "group", value_name = "NAME")]
        groups: Vec<String>,
        /// Read their password for the console from standard input, one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List people
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// See and change how somebody is reached
    Contact(Box<ContactArgs>),
    /// Make a personal token and show it, this once
    CreateToken {
        /// Their id or e-mail address
        operator: String,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        #[command(flatten)]
        shape: ShapeArgs,
    },
}

pub(crate) async fn run(global: &Global, command: OperatorsCommand) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Operator)?;
    match command {
        OperatorsCommand::Create {
            name,
            email,
            role,
            groups,
            password_stdin,
        } => {
            let password = password_stdin.then(read_password).transpose()?;
            make_groups(global, &client, &groups).await?;
            let groups = (!groups.is_empty()).then_some(groups);
            let body = OperatorCreate {
                name,
                email,
                role,
                groups,
                password,
            };
            let operator = client.operator_create(&body, None).await?;
            output::either(global.json, &operator, |operator| inert::line(&operator.id))?;
            if !global.json {
                output::talk(&format!(
                    "a token for them: signoff operators create-token {}",
                    inert::line(&operator.id)
                ));
            }
        }
        OperatorsCommand::List { page } => {
            let page = client.operator_list(&page.into()).await?;
            output::page(global.json, &page, "no operators yet", |items| {
                let rows = items.iter().map(|operator| {
                    [
                        operator.id.clone(),
                        operator.name.clone(),
                        operator.email.clone(),
                        operator.role.to_string(),
                        operator.groups.join(","),
                        operator.status.to_string(),
                        time::ago(&operator.created_at),
                    ]
                });
                table::render(
                    ["ID", "NAME", "EMAIL", "ROLE", "GROUPS", "STATUS", "CREATED"],
                    rows,
                )
            })?;
        }
        OperatorsCommand::Contact(args) => contact::run(global, &client, *args).await?,
        OperatorsCommand::CreateToken {
            operator,
            name,
            shape,
        } => {
            let id = id_of(&client, &operator).await?;
            let created = client
                .token_create(
                    &id,
                    &TokenCreate {
                        name,
                        dialect: shape.request().dialect,
                    },
                    None,
                )
                .await?;
            if global.json {
                output::json(&created)?;
            } else {
                output::talk("their token, shown this once; for the command line as SIGNOFF_API_KEY:");
                output::data(created.token.as_ref().map_or("", |token| token.expose()))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// A password as it comes through a pipe, never as an argument that others on the machine could read.
fn read_password() -> anyhow::Result<Secret> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("no password on standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password on standard input");
    }
    Ok(Secret::new(password))
}

/// Makes the groups that are not there yet: the server refuses unknown ones, for they might be misspelt.
async fn make_groups(global: &Global, client: &Client, names: &[String]) -> anyhow::Result<()> {
    let mut missing: Vec<_> = names.iter().collect();
    let mut query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    while !missing.is_empty() {
        let page = client.group_list(&query).await?;
        missing.retain(|name| {
            !page
                .items
                .iter()
                .any(|group| group.name.eq_ignore_ascii_case(name))
        });
        let Some(next) = page.next_cursor else { break };
        query.cursor = Some(next);
    }
    for name in missing {
        client.group_put(name, &GroupPut::default()).await?;
        if !global.json {
            output::talk(&format!("made the group {}", inert::line(name)));
        }
    }
    Ok(())
}

/// People know e-mail addresses; the path takes ids.
async fn id_of(client: &Client, operator: &str) -> anyhow::Result<String> {
    if !operator.contains('@') {
        return Ok(operator.to_owned());
    }
    let mut query = PageQuery {
        cursor: None,
        limit: Some(200),
    };
    loop {
        let page = client.operator_list(&query).await?;
        if let Some(found) = page
            .items
            .iter()
            .find(|found| found.email.eq_ignore_ascii_case(operator))
        {
            return Ok(found.id.clone());
        }
        let Some(next) = page.next_cursor else {
            bail!("no operator has the address `{operator}`")
        };
        query.cursor = Some(next);
    }
}
