//! The workspace as it is.

use std::collections::HashMap;

use signoff_api::agent::Agent;
use signoff_api::channel::{Channel, ChannelKind};
use signoff_api::group::Group;
use signoff_api::operator::Operator;
use signoff_api::policy::PolicySet;
use signoff_api::status::Me;
use signoff_api::webhook::Webhook;
use signoff_api::{Page, PageQuery};
use signoff_client::Client;
use signoff_core::lint::{Known, KnownAgent, KnownGroup, KnownOperator};
use signoff_core::requirement::Role;

/// What a server says there is.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) me: Me,
    pub(crate) set: PolicySet,
    pub(crate) operators: Vec<Operator>,
    pub(crate) groups: Vec<Group>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) webhooks: Vec<Webhook>,
    /// Names of the channels of all other kinds, which no file describes.
    pub(crate) other_channels: Vec<String>,
    /// Addresses by id.
    emails: HashMap<String, String>,
}

impl Present {
    /// Asks for all of it.
    pub(crate) async fn of(client: &Client) -> signoff_client::Result<Self> {
        let operators = all(async |page| client.operator_list(&page).await).await?;
        let channels: Vec<Channel> = all(async |page| client.channel_list(&page).await).await?;
        let others = channels
            .into_iter()
            .filter(|one| one.kind != ChannelKind::Webhook);
        Ok(Self {
            me: client.whoami().await?,
            set: client.policy_list().await?,
            groups: all(async |page| client.group_list(&page).await).await?,
            agents: all(async |page| client.agent_list(&page).await).await?,
            webhooks: all(async |page| client.webhook_list(&page).await).await?,
            other_channels: others.map(|one| one.name).collect(),
            emails: operators
                .iter()
                .map(|operator| (operator.id.clone(), operator.email.clone()))
                .collect(),
            operators,
        })
    }

    /// The address of an operator, or the id where there is none.
    pub(crate) fn email(&self, id: &str) -> String {
        self.emails.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// Names of all channels, with these webhooks.
    pub(crate) fn channels<'a>(&'a self, webhooks: impl Iterator<Item = &'a String>) -> Vec<String> {
        webhooks.chain(&self.other_channels).cloned().collect()
    }

    /// The same for lint.
    pub(crate) fn known(&self) -> Known {
        let operators = self.operators.iter().map(|operator| KnownOperator {
            id: operator.id.parse().ok(),
            email: operator.email.clone(),
            role: role(operator.role),
            disabled: operator.disabled,
        });
        let groups = self.groups.iter().map(|group| KnownGroup {
            name: group.name.clone(),
            members: group
                .members
                .iter()
                .map(|member| self.email(&member.id))
                .collect(),
        });
        let agents = self.agents.iter().map(|agent| KnownAgent {
            name: agent.name.clone(),
            owner: agent.owner.as_ref().map(|owner| self.email(&owner.id)),
            disabled: agent.disabled,
        });
        Known {
            operators: Some(operators.collect()),
            groups: Some(groups.collect()),
            agents: Some(agents.collect()),
            channels: Some(self.channels(self.webhooks.iter().map(|webhook| &webhook.name))),
            // A file says nothing of how people are reached.
            heard: None,
        }
    }
}

/// A role as the rules call it.
pub(crate) fn role(role: signoff_api::operator::Role) -> Role {
    match role {
        signoff_api::operator::Role::Viewer => Role::Viewer,
        signoff_api::operator::Role::Member => Role::Member,
        signoff_api::operator::Role::Admin => Role::Admin,
    }
}

/// All pages of a list.
pub(super) async fn all<T>(
    list: impl AsyncFn(PageQuery) -> signoff_client::Result<Page<T>>,
) -> signoff_client::Result<Vec<T>> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let page = list(PageQuery {
            cursor,
            limit: Some(200),
        })
        .await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(items);
        }
    }
}
