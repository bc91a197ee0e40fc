//! A workspace with one of everything. Ids are the same in every workspace, so that what crosses a wall shows; what is
//! kept under them differs by a mark.

use std::collections::BTreeMap;

use signoff_core::{
    actor::Actor,
    counted::{Amount, Counted},
    event::{
        AgentPut, ApplicationPut, ChannelPut, Event, GrantPut, GroupPut, KeyOwner, KeySet, OperatorPut,
        PasswordSet, PolicyPut, PolicySetApplied, StandingGranted, WorkspaceSet,
    },
    grant::{CredentialKind, Grant, Redaction},
    id::{
        ActionId, AgentId, ApplicationId, ApprovalId, ChannelId, GrantId, GroupId, KeyId, OperatorId,
        PolicyId, StandingId,
    },
    payload::{Hash32, PayloadName},
    policy::{Orphaned, PolicyDoc, PolicyEffect, PolicyRef, Settings},
    requirement::Role,
    time::Micros,
};

use super::scribe::{Scribe, agent, facts, raw};
use crate::{IdempotencyName, IdempotencyRow, PersonRow, SecretKind, SecretRow, SessionRow, Store};

/// An agent.
pub const AGENT: AgentId = AgentId(raw(0xa1));
/// Another agent.
pub const OTHER_AGENT: AgentId = AgentId(raw(0xa2));
/// A person.
pub const DANA: OperatorId = OperatorId(raw(0xd1));
/// Another person.
pub const ERIN: OperatorId = OperatorId(raw(0xd2));
/// A policy.
pub const POLICY: PolicyId = PolicyId(raw(0xb1));
/// A key.
pub const KEY: KeyId = KeyId(raw(0xc1));
/// A channel.
pub const CHANNEL: ChannelId = ChannelId(raw(0xf1));
/// A stored credential.
pub const GRANT: GrantId = GrantId(raw(0x6a));
/// An action that was allowed.
pub const ALLOWED: ActionId = ActionId(raw(0x11));
/// An action that asks and is still open.
pub const OPEN: ActionId = ActionId(raw(0x12));
/// An action that was approved.
pub const APPROVED: ActionId = ActionId(raw(0x13));

/// The approval that is open.
pub fn open_approval() -> ApprovalId {
    OPEN.approval()
}

/// The governing policy, as approvals name it.
pub fn policy_ref() -> PolicyRef {
    PolicyRef {
        id: POLICY,
        name: "Refunds".into(),
        version: 1,
    }
}

/// Records one of everything; `mark` is what differs between workspaces.
pub fn everything(workspace: u128, mark: &str) -> Scribe {
    let mut scribe = Scribe::new(workspace);
    governance(&mut scribe, mark);
    principals(&mut scribe, mark);
    requests(&mut scribe, mark);
    scribe
}

/// Records one of everything, with its side rows, and commits it. Times of side rows lie around the store's present.
pub async fn build(store: &dyn Store, workspace: u128, mark: &str) -> Scribe {
    let mut scribe = everything(workspace, mark);
    side_rows(&mut scribe, store, mark);
    scribe.commit(store).await;
    scribe
}

fn system() -> Actor {
    Actor::system("test")
}

fn governance(scribe: &mut Scribe, mark: &str) {
    let settings = Settings {
        name: mark.to_owned(),
        ..Settings::default()
    };
    scribe.record(
        system(),
        scribe.workspace,
        Event::WorkspaceCreated(WorkspaceSet { settings }),
    );
    let policy = PolicyDoc {
        description: Some(mark.to_owned()),
        actions: vec!["stripe.*".into()],
        ..PolicyDoc::new("Refunds", PolicyEffect::RequireApproval)
    };
    scribe.record(
        system(),
        POLICY,
        Event::PolicyPut(PolicyPut {
            version: 1,
            age: 1,
            policy,
        }),
    );
    let applied = PolicySetApplied {
        version: 1,
        policies: 1,
        orphaned: Orphaned::Judge,
    };
    scribe.record(system(), scribe.workspace, Event::PolicySetApplied(applied));
}

fn principals(scribe: &mut Scribe, mark: &str) {
    for (id, name) in [(AGENT, "support"), (OTHER_AGENT, "deployer")] {
        let put = AgentPut {
            name: name.into(),
            labels: BTreeMap::from([("mark".to_owned(), mark.to_owned())]),
            owner: Some(DANA),
            disabled: false,
            registered_by: None,
        };
        scribe.record(system(), id, Event::AgentPut(put));
    }
    let put = ApplicationPut {
        name: mark.into(),
        agents: vec!["*".into()],
        register_new: true,
        disabled: false,
    };
    scribe.record(system(), ApplicationId(raw(0xaa)), Event::ApplicationPut(put));
    for id in [DANA, ERIN] {
        scribe.record(
            system(),
            id,
            Event::OperatorPut(OperatorPut {
                role: Role::Member,
                disabled: false,
            }),
        );
    }
    scribe.record(
        system(),
        DANA,
        Event::PasswordSet(PasswordSet {
            digest: Hash32([5; 32]),
        }),
    );
    let put = GroupPut {
        name: mark.to_owned(),
        members: vec![DANA, ERIN],
    };
    scribe.record(system(), GroupId(raw(0x9a)), Event::GroupPut(put));
    let owner = KeyOwner::Agent(AGENT);
    let set = KeySet {
        owner,
        hint: mark.to_owned(),
        digest: Hash32([6; 32]),
        delegation: None,
    };
    scribe.record(system(), KEY, Event::KeySet(set));
    let put = ChannelPut {
        name: mark.to_owned(),
        origin: "https://hooks.example".into(),
        events: vec!["approval.*".into()],
        kind: signoff_core::channel::ChannelKind::Webhook,
        named_only: false,
        window: None,
        switched_off: None,
        disabled: false,
        digest: Hash32([8; 32]),
    };
    scribe.record(system(), CHANNEL, Event::ChannelPut(put));
    let put = GrantPut {
        grant: Grant {
            name: mark.to_owned(),
            credential: CredentialKind::Bearer,
            origins: vec!["https://api.example".into()],
            methods: Vec::new(),
            paths: Vec::new(),
            agents: vec!["*".into()],
            labels: BTreeMap::new(),
            timeout: None,
            idempotent: None,
            redact: Redaction::default(),
            disabled: false,
        },
        fingerprint: "0a0a0a0a".into(),
        digest: Hash32([10; 32]),
        version: 1,
    };
    scribe.record(system(), GRANT, Event::GrantPut(Box::new(put)));
}

fn requests(scribe: &mut Scribe, mark: &str) {
    let mut allowed = facts(&format!("mail.send.{mark}"), AGENT);
    allowed.counted = vec![counting("12.5")];
    scribe.allow(ALLOWED, allowed);
    scribe.consume(ALLOWED);
    let mut asks = facts(&format!("stripe.Refund.{mark}"), AGENT);
    asks.policy = Some(policy_ref());
    let seq = scribe.ask(OPEN, asks.clone());
    scribe.tell(seq, "approval.pending");
    asks.agent = OTHER_AGENT;
    scribe.ask(APPROVED, asks);
    let seq = scribe.vote(APPROVED, DANA, signoff_core::event::Ballot::Approve);
    scribe.tell(seq, "approval.decided");
    let granted = StandingGranted {
        agent: OTHER_AGENT,
        action: format!("stripe.Refund.{mark}"),
        policy: policy_ref(),
        approval: APPROVED.approval(),
        expires_at: scribe.time.plus(Micros::seconds(3_600)),
        uses: Some(3),
        condition: None,
    };
    let granted = Event::StandingGranted(Box::new(granted));
    scribe.record(super::scribe::operator(DANA), StandingId(raw(0x57)), granted);
    let answered = Event::InfoAnswered(signoff_core::event::Nothing {});
    let asked = Event::InfoRequested(signoff_core::event::Nothing {});
    let text = mark.as_bytes();
    scribe.record_with(
        super::scribe::operator(DANA),
        open_approval(),
        asked,
        &[(PayloadName::Text, text)],
    );
    scribe.record_with(
        agent(AGENT),
        open_approval(),
        answered,
        &[(PayloadName::Text, text)],
    );
}

/// What an action counts for under the policy of every workspace.
pub fn counting(amount: &str) -> Counted {
    Counted {
        policy: POLICY,
        amounts: BTreeMap::from([("context.amount".to_owned(), Amount::parse(amount).unwrap())]),
    }
}

/// The one idempotency row of a workspace.
pub fn idempotency_name(scribe: &Scribe) -> IdempotencyName {
    IdempotencyName {
        workspace: scribe.workspace,
        principal: AGENT.to_string(),
        operation: "submit".into(),
        key: "order-7".into(),
    }
}

/// The hash of the cookie that Dana has in a workspace; unlike ids it is of one workspace alone.
pub fn session_hash(scribe: &Scribe) -> [u8; 32] {
    let mut hash = [9; 32];
    hash[..16].copy_from_slice(&scribe.workspace.0.0);
    hash
}

fn side_rows(scribe: &mut Scribe, store: &dyn Store, mark: &str) {
    let now = store.clock().now();
    let (name, session) = (idempotency_name(scribe), session_hash(scribe));
    let workspace = scribe.workspace;
    let changes = &mut scribe.changes;
    changes.idempotency.push(IdempotencyRow {
        name,
        fingerprint: [1; 32],
        outcome: mark.into(),
        expires_at: None,
    });
    changes.secrets.push(SecretRow {
        kind: SecretKind::Key,
        id: KEY.0,
        value: mark.as_bytes().to_vec(),
    });
    changes.people.push(PersonRow {
        id: DANA,
        name: mark.into(),
        email: "Dana@Example.com".into(),
    });
    changes.sessions.push(SessionRow {
        hash: session,
        workspace,
        operator: DANA,
        created_at: now,
        expires_at: now.plus(Micros::seconds(3_600)),
    });
    changes.workspace_key = Some(mark.as_bytes().to_vec());
}
