//! Doing what a plan says, one step after another.

use signoff_api::agent::AgentUpdate;
use signoff_client::Client;

use super::plan::{Plan, Step};

/// How far it came.
pub(super) struct Done {
    /// How many changes of the plan are made, from the first.
    pub(super) count: usize,
    /// The version of the policies that is in force now.
    pub(super) version: Option<u64>,
    /// Why it stopped.
    pub(super) error: Option<anyhow::Error>,
}

pub(super) async fn out(client: &Client, plan: &Plan) -> Done {
    let mut done = Done {
        count: 0,
        version: None,
        error: None,
    };
    for change in &plan.changes {
        let taken = match (&change.step, &plan.policies) {
            (Some(step), _) => take(client, step).await,
            // Settings and policies stand together, and the first of them brings all.
            (None, Some(set)) if done.version.is_none() => {
                let applied = client.policy_apply(set).await;
                applied.map(|applied| done.version = Some(applied.version))
            }
            (None, _) => Ok(()),
        };
        if let Err(error) = taken {
            done.error = Some(error.into());
            return done;
        }
        done.count += 1;
    }
    done
}

async fn take(client: &Client, step: &Step) -> signoff_client::Result<()> {
    match step {
        Step::OperatorCreate(create) => client.operator_create(create, None).await.map(drop),
        Step::OperatorUpdate(id, update) => client.operator_update(id, update).await.map(drop),
        Step::GroupPut(name, put) => client.group_put(name, put).await.map(drop),
        Step::GroupRemove(name) => client.group_remove(name).await,
        Step::AgentCreate(create, disabled) => {
            // Its key is not looked at: `agents rotate-key` makes one that somebody sees.
            let created = client.agent_create(create, None).await?;
            if *disabled {
                let off = AgentUpdate {
                    disabled: Some(true),
                    ..AgentUpdate::default()
                };
                client.agent_update(&created.agent.id, &off).await?;
            }
            Ok(())
        }
        Step::AgentUpdate(id, update) => client.agent_update(id, update).await.map(drop),
        Step::GrantCreate(create) => client.grant_create(create, None).await.map(drop),
        Step::GrantUpdate(id, update) => client.grant_update(id, update).await.map(drop),
        Step::GrantRemove(id) => client.grant_remove(id).await,
        Step::ChannelCreate(create) => client.webhook_create(create, None).await.map(drop),
        Step::ChannelUpdate(id, update) => client.webhook_update(id, update).await.map(drop),
        Step::ChannelRemove(id) => client.webhook_remove(id).await,
    }
}
