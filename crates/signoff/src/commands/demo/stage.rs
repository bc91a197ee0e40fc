//! What the demonstration needs before it begins: rules, an agent with a key, a person with a token.

use anyhow::Context;
use signoff_api::agent::AgentCreate;
use signoff_api::operator::{OperatorCreate, Role, TokenCreate};
use signoff_api::{PageQuery, Secret};
use signoff_client::Client;

use super::story::Story;
use super::upstream::Upstream;
use super::{policies, program};
use crate::serve::Running;

/// The one who asks.
pub(super) const AGENT: &str = "support-agent";
/// The one who decides.
pub(super) const OPERATOR_NAME: &str = "You";
/// Reserved for examples; no mail is ever sent there.
pub(super) const OPERATOR_EMAIL: &str = "you@example.com";

/// Everybody in their place.
pub(super) struct Stage {
    /// Speaks with the agent's key.
    pub(super) agent: Client,
    operator_token: Secret,
}

impl Stage {
    /// Sets it up as an admin's script would.
    pub(super) async fn set(admin: &Client, url: &str) -> anyhow::Result<Self> {
        admin.policy_apply(&policies::set()?).await?;
        let agent = AgentCreate {
            name: AGENT.to_owned(),
            ..AgentCreate::default()
        };
        let key = admin
            .agent_create(&agent, None)
            .await?
            .api_key
            .context("the agent got no key")?;
        let operator = operator(admin).await?;
        let token = TokenCreate {
            name: Some("demo".to_owned()),
            ..TokenCreate::default()
        };
        let token = admin.token_create(&operator, &token, None).await?.token;
        Ok(Self {
            agent: Client::new(url, Some(&key))?,
            operator_token: token.context("the operator got no token")?,
        })
    }

    /// Says who is there.
    pub(super) fn introduce(story: &mut Story, running: &Running, upstream: &Upstream) {
        story.heading("Signoff demo: an agent asks, you decide, the agent goes on");
        story.blank();
        story.field(
            "server",
            &format!("{}, in a directory that goes away at the end", running.url),
        );
        story.field("agent", &format!("{AGENT}: its key can ask, and never decide"));
        story.field(
            "upstream",
            &format!("a payment service that only echoes, at {}", upstream.url()),
        );
        story.field(
            "policies",
            "refunds up to $50 pass, larger ones ask a person; nobody deletes a customer",
        );
        story.blank();
    }

    /// Says how to decide: in the browser, or with these very commands.
    pub(super) fn invite(&self, story: &mut Story, running: &Running, approval: &str) {
        story.heading("Now it is your turn");
        story.blank();
        if let Some(link) = &running.demo_link {
            story.plain("  In the browser; the page signs you in:");
            story.offer(&format!("{link}&next=/approvals/{approval}"));
        } else {
            story.plain("  In the browser, once you have signed in:");
            story.offer(&format!("{}/approvals/{approval}", running.url));
        }
        story.blank();
        story.plain("  Or from another terminal:");
        story.offer(&format!(
            "export SIGNOFF_URL={} SIGNOFF_API_KEY={}",
            running.url,
            self.operator_token.expose()
        ));
        let program = program();
        story.offer(&format!("{program} approvals approve {approval}"));
        story.offer(&format!(
            "{program} approvals deny {approval} --reason 'not this one'"
        ));
        story.offer(&format!("{program} approvals ask {approval} 'Which charges?'"));
        story.blank();
    }
}

/// The person whom the server made for its sign-in link, or a new one where it made none.
async fn operator(admin: &Client) -> anyhow::Result<String> {
    let people = admin.operator_list(&PageQuery::default()).await?.items;
    if let Some(you) = people.into_iter().find(|person| person.email == OPERATOR_EMAIL) {
        return Ok(you.id);
    }
    let you = OperatorCreate {
        name: OPERATOR_NAME.to_owned(),
        email: OPERATOR_EMAIL.to_owned(),
        role: Role::Admin,
        groups: None,
        password: None,
    };
    Ok(admin.operator_create(&you, None).await?.id)
}
