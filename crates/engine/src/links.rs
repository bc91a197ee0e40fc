//! Personal links: one person's way from a message to one approval, without signing in. The link carries who, what and a
//! MAC; nothing is kept of it, so it dies with what it is about.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use signoff_core::{
    actor::{Auth, Principal},
    approval::Refusal,
    event::Via,
    id::{ApprovalId, OperatorId, RawId, WorkspaceId},
    requirement::Approver,
    rows::ApprovalRow,
};
use subtle::ConstantTimeEq;

use crate::{
    Engine, EngineError, EngineResult,
    request::{Decide, Decision, Scope},
    seal::{LINK_MAC_BYTES, WorkspaceKey},
    tenant::Tenant,
    view::{ApprovalView, Caller, GrantView, LinkView, Named},
};

/// Workspace, approval, operator, and the record that the message tells of.
const CLAIM_BYTES: usize = 16 + 16 + 16 + 8;
const TOKEN_BYTES: usize = CLAIM_BYTES + LINK_MAC_BYTES;
/// How long a token is in its address; whole groups of four characters, so that no other spelling reads as the same.
const TOKEN_CHARS: usize = TOKEN_BYTES / 3 * 4;

/// What a genuine link says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Link {
    workspace: WorkspaceId,
    approval: ApprovalId,
    operator: OperatorId,
    told_seq: u64,
}

impl Link {
    fn claim(&self) -> [u8; CLAIM_BYTES] {
        let mut claim = [0; CLAIM_BYTES];
        claim[..16].copy_from_slice(&self.workspace.0.0);
        claim[16..32].copy_from_slice(&self.approval.0.0);
        claim[32..48].copy_from_slice(&self.operator.0.0);
        claim[48..].copy_from_slice(&self.told_seq.to_be_bytes());
        claim
    }

    /// What a claim says. Nothing of it holds before its MAC was compared.
    fn of(claim: &[u8; CLAIM_BYTES]) -> Option<Self> {
        let id = |at: usize| Some(RawId(claim.get(at..at + 16)?.try_into().ok()?));
        Some(Self {
            workspace: WorkspaceId(id(0)?),
            approval: ApprovalId(id(16)?),
            operator: OperatorId(id(32)?),
            told_seq: u64::from_be_bytes(claim.get(48..)?.try_into().ok()?),
        })
    }

    fn sign(&self, key: &WorkspaceKey) -> String {
        let claim = self.claim();
        let mut token = Vec::with_capacity(TOKEN_BYTES);
        token.extend_from_slice(&claim);
        token.extend_from_slice(&key.link_mac(&claim));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The holder, as the engine tells callers apart: the operator, for whom the table permits little by this way in.
    fn caller(&self, tenant: &Tenant) -> EngineResult<Caller> {
        let snapshot = tenant.snapshot();
        let row = snapshot.active_operator(self.operator).ok_or_else(nothing)?;
        Ok(Caller {
            workspace: self.workspace,
            principal: Principal::Operator {
                id: self.operator,
                role: row.role,
                auth: Auth::Link,
            },
            key: None,
            part: None,
            slack: None,
        })
    }
}

/// The one answer for all that opens nothing: whether it was forged, cut off, of another installation, or of somebody who
/// was switched off since, is nobody's business.
fn nothing() -> EngineError {
    EngineError::NotFound {
        kind: "page",
        name: "for this link".into(),
    }
}

/// The address of a personal link, for one message to one person. It is a secret: whoever holds it decides as that person.
pub(crate) fn personal_link(
    engine: &Engine,
    tenant: &Tenant,
    approval: ApprovalId,
    operator: OperatorId,
    told_seq: u64,
) -> String {
    let link = Link {
        workspace: tenant.id,
        approval,
        operator,
        told_seq,
    };
    format!("{}/d/{}", engine.public_url(), link.sign(&tenant.key))
}

impl Engine {
    /// The address of a personal link, as messages carry it; none in a workspace that is not here. No door answers with
    /// one: it goes to the one person it was made for, and to nobody who asks.
    pub fn personal_link(
        &self,
        workspace: WorkspaceId,
        approval: ApprovalId,
        operator: OperatorId,
        told_seq: u64,
    ) -> Option<String> {
        let tenant = self.inner.tenants.get(&workspace)?;
        Some(personal_link(self, tenant, approval, operator, told_seq))
    }

    /// What a personal link opens: whose it is, the approval as that person may see it, and whether it decides. Changes
    /// nothing.
    ///
    /// # Errors
    /// One and the same for every link that opens nothing, without saying why.
    pub async fn open_link(&self, token: &str) -> EngineResult<LinkView> {
        let (tenant, link) = self.read_link(token)?;
        if tenant.snapshot().active_operator(link.operator).is_none() {
            // Another node may know them already.
            self.catch_up(tenant).await?;
        }
        let caller = link.caller(tenant)?;
        let approval = self.approval(&caller, link.approval).await;
        let approval = approval.map_err(closed)?;
        Ok(self.link_view(tenant, link, &caller, approval))
    }

    /// Votes, or asks the agent, as the person whose link it is; through the same machine as everybody.
    ///
    /// # Errors
    /// Those of [`Engine::decide`]; [`Refusal::SignInFirst`] above the policy's limit, and for what a link opens nothing.
    pub async fn decide_by_link(&self, token: &str, mut decide: Decide) -> EngineResult<LinkView> {
        let (tenant, link) = self.read_link(token)?;
        if !is_for_this_alone(&decide.decision) {
            let why = "a personal link answers for this one request as it is; sign in to change it, or to answer for \
                       further ones; nothing was changed";
            return Err(EngineError::Forbidden(why.into()));
        }
        let caller = link.caller(tenant)?;
        let row = self.approval_row(tenant, &caller, link.approval).await;
        let row = row.map_err(closed)?;
        if !row.status.is_terminal() && !row.decides_elsewhere() {
            return Err(Refusal::SignInFirst.into());
        }
        let seen = decide.view.as_mut();
        let seen =
            seen.ok_or_else(|| EngineError::invalid("/view", "a personal link decides on what was shown"))?;
        seen.via = Some(Via::Link {
            told_seq: link.told_seq,
        });
        let approval = self.decide(&caller, link.approval, decide, None).await;
        let approval = approval.map_err(|error| match error {
            // Switched off between the look and the vote.
            EngineError::Unauthorized => nothing(),
            other => other,
        })?;
        Ok(self.link_view(tenant, link, &caller, approval))
    }

    /// A genuine link, and its workspace.
    fn read_link(&self, token: &str) -> EngineResult<(&Tenant, Link)> {
        if token.len() != TOKEN_CHARS {
            return Err(nothing());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| nothing())?;
        let (claim, mac) = bytes.split_first_chunk::<CLAIM_BYTES>().ok_or_else(nothing)?;
        let link = Link::of(claim).ok_or_else(nothing)?;
        let tenant = self.inner.tenants.get(&link.workspace).ok_or_else(nothing)?;
        let genuine = bool::from(tenant.key.link_mac(claim).as_slice().ct_eq(mac));
        if genuine {
            Ok((tenant, link))
        } else {
            Err(nothing())
        }
    }

    fn link_view(&self, tenant: &Tenant, link: Link, caller: &Caller, approval: ApprovalView) -> LinkView {
        let snapshot = tenant.snapshot();
        let row = &approval.row;
        let may = self.may(caller, &approval);
        let decides = if row.status.is_terminal() {
            Err(Refusal::Ended(row.status))
        } else if row.decides_elsewhere() {
            may.approve
                .clone()
                .or_else(|why| may.deny.clone().map_err(|_| why))
        } else {
            Err(Refusal::SignInFirst)
        };
        let name_of = |id: OperatorId| snapshot.person(id).map(|person| person.name.clone());
        let grant = row.call.as_ref().and_then(|call| call.grant);
        let grant = grant.and_then(|id| snapshot.rows.grants.get(&id));
        LinkView {
            operator: Named {
                id: link.operator,
                name: name_of(link.operator).unwrap_or_default(),
            },
            decides,
            may,
            grant: grant.map(|row| GrantView {
                row: row.clone(),
                is_stopped: row.stop.is_some(),
            }),
            approvers: named_in(row)
                .filter_map(|id| Some((id, name_of(id)?)))
                .collect::<BTreeMap<_, _>>(),
            approval,
        }
    }
}

/// Nothing but the vote on this request, or a question about it.
fn is_for_this_alone(decision: &Decision) -> bool {
    match decision {
        Decision::Approve { scope, .. } => *scope == Scope::Once,
        Decision::Deny { .. } | Decision::RequestInfo { .. } => true,
    }
}

/// What is not there for the holder is not told apart from a link that never was.
fn closed(error: EngineError) -> EngineError {
    match error {
        EngineError::NotFound { .. } | EngineError::Unauthorized | EngineError::Forbidden(_) => nothing(),
        other => other,
    }
}

/// The people whom a requirement names by their id.
fn named_in(row: &ApprovalRow) -> impl Iterator<Item = OperatorId> + '_ {
    let approvers = row.requirement.stages.iter().flat_map(|stage| &stage.approvers);
    approvers.filter_map(|approver| match approver {
        Approver::Operator(id) => Some(*id),
        _ => None,
    })
}
