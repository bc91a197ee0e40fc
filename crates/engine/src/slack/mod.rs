//! Slack as a place where people decide: what comes from there is verified, kept, and only then acknowledged; a worker
//! decides from what was kept ([`crate::workers`]). Who a Slack user is was proved once, by a code from here typed there.

mod answer;
mod link;
mod press;

use std::sync::Arc;

use signoff_core::{
    id::ChannelId,
    time::{Micros, Timestamp},
};
pub use signoff_notify::slack::{INBOUND_BYTES_MAX, Reply, Signed, WORDS_ID};
use signoff_notify::{
    SlackApp, Transport,
    slack::{Choice, Inbound, Interaction, Presser, Step, parse_command, parse_interaction, verify},
};
use signoff_store::InboxRow;

pub(crate) use self::link::LinkTries;
pub use self::link::{LINK_CODE_CHARS, LINK_CODE_LIFETIME, LinkCode};
pub(crate) use self::press::Outcome;
use crate::{
    Engine, EngineError, EngineResult, channels::transport, contact::SlackIdentity, snapshot::Snapshot,
    tenant::Tenant,
};

/// How long what came is remembered, so that a replay changes nothing.
const REMEMBERED: Micros = Micros::seconds(7 * 86_400);

/// What Slack is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was kept, or kept before, or asks nothing: acknowledge it.
    Kept,
    /// The form stays open: its words are missing.
    WordsMissing,
}

/// One app, as a channel has it.
pub(crate) struct At {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) channel: ChannelId,
    pub(crate) app: SlackApp,
}

impl At {
    /// The app of a channel that is switched on.
    pub(crate) fn of(tenant: &Arc<Tenant>, channel: ChannelId) -> Option<Self> {
        let snapshot = tenant.snapshot();
        snapshot.live_channels().find(|row| row.id == channel)?;
        match transport(tenant, &snapshot, channel)? {
            Transport::Slack(app) => Some(Self {
                tenant: Arc::clone(tenant),
                channel,
                app,
            }),
            _ => None,
        }
    }

    /// Who that is at Slack; nobody that could be anybody here, if they are of another Slack workspace.
    pub(crate) fn identity(&self, presser: &Presser) -> Option<SlackIdentity> {
        presser.is_of(&self.app.team).then(|| SlackIdentity {
            channel: self.channel,
            team: presser.team.clone(),
            user: presser.user.clone(),
        })
    }

    fn seal(&self, interaction: &Interaction) -> EngineResult<Vec<u8>> {
        let plain = serde_json::to_vec(interaction).map_err(|_| EngineError::Internal)?;
        let key = interaction.key.to_string();
        Ok(self.tenant.key.seal_received(self.channel.0, &key, &plain))
    }

    /// What was kept.
    pub(crate) fn open(&self, row: &InboxRow) -> Option<Interaction> {
        let key = hex::encode(row.key);
        let plain = self.tenant.key.open_received(self.channel.0, &key, &row.body)?;
        serde_json::from_slice(&plain).ok()
    }
}

/// Whoever is this user, as a snapshot knows it.
pub(crate) fn operator_at(
    snapshot: &Snapshot,
    identity: &SlackIdentity,
) -> Option<signoff_core::id::OperatorId> {
    snapshot.operator_at_slack(identity.channel, &identity.team, &identity.user)
}

impl Engine {
    /// Takes a button that was pressed or a form that was sent: kept durably when this returns, decided later.
    ///
    /// # Errors
    /// [`EngineError::Unauthorized`] for whatever is not Slack's, or of no app that is known here, without saying which.
    pub async fn slack_interaction(
        &self,
        channel: ChannelId,
        signed: &Signed,
        body: &[u8],
    ) -> EngineResult<Taken> {
        let at = self.slack_verified(channel, signed, body).await?;
        let Inbound::Interaction(interaction) = parse_interaction(body).map_err(unreadable)? else {
            return Ok(Taken::Kept);
        };
        let needs_words = interaction.choice != Choice::Approve;
        if needs_words && matches!(&interaction.step, Step::Submitted { words } if words.is_empty()) {
            return Ok(Taken::WordsMissing);
        }
        let operator = match at.identity(&interaction.presser) {
            Some(identity) => self.slack_operator(&at, &identity).await?,
            None => None,
        };
        let received_at = self.now();
        let row = InboxRow {
            workspace: at.tenant.id,
            channel,
            key: interaction.key.0,
            operator,
            body: at.seal(&interaction)?,
            received_at,
            expires_at: received_at.plus(REMEMBERED),
            handled_at: None,
        };
        if self.store().receive(&row).await? {
            self.inner.aftermath.nudges.slack.notify_one();
        }
        Ok(Taken::Kept)
    }

    /// Takes a command that was typed, and answers it.
    ///
    /// # Errors
    /// Those of [`Engine::slack_interaction`]. What the command can't do is in its answer.
    pub async fn slack_command(
        &self,
        channel: ChannelId,
        signed: &Signed,
        body: &[u8],
    ) -> EngineResult<Reply> {
        let at = self.slack_verified(channel, signed, body).await?;
        let command = parse_command(body).map_err(unreadable)?;
        let now = self.now();
        let row = InboxRow {
            workspace: at.tenant.id,
            channel,
            key: command.key.0,
            operator: None,
            body: Vec::new(),
            received_at: now,
            expires_at: now.plus(REMEMBERED),
            handled_at: Some(now),
        };
        if !self.store().receive(&row).await? {
            return Ok(answer::said(
                "This was done before; type it again to do it again.",
            ));
        }
        self.run_command(&at, &command).await
    }

    /// The app whose secret signed these bytes.
    async fn slack_verified(&self, channel: ChannelId, signed: &Signed, body: &[u8]) -> EngineResult<At> {
        let at = if let Some(at) = self.slack_app(channel) {
            at
        } else {
            // Another node may know it already.
            for tenant in self.inner.tenants.values() {
                self.catch_up(tenant).await?;
            }
            self.slack_app(channel).ok_or(EngineError::Unauthorized)?
        };
        let seconds = self.now().0.div_euclid(1_000_000);
        verify(&at.app.signing_secret, signed, body, seconds).map_err(|fault| {
            tracing::warn!(channel = %channel, %fault, "what came for Slack's is not signed by Slack");
            EngineError::Unauthorized
        })?;
        Ok(at)
    }

    fn slack_app(&self, channel: ChannelId) -> Option<At> {
        let mut tenants = self.inner.tenants.values();
        tenants.find_map(|tenant| At::of(tenant, channel))
    }

    /// Who somebody at Slack is here, even if another node linked them just now.
    async fn slack_operator(
        &self,
        at: &At,
        identity: &SlackIdentity,
    ) -> EngineResult<Option<signoff_core::id::OperatorId>> {
        if let Some(operator) = operator_at(&at.tenant.snapshot(), identity) {
            return Ok(Some(operator));
        }
        self.catch_up(&at.tenant).await?;
        Ok(operator_at(&at.tenant.snapshot(), identity))
    }
}

fn unreadable(fault: signoff_notify::slack::ParseFault) -> EngineError {
    EngineError::invalid("", fault.to_string())
}

/// Whether something that came then is too old by now.
pub(crate) fn is_older(came: Timestamp, now: Timestamp, than: Micros) -> bool {
    came.until(now) > than
}
