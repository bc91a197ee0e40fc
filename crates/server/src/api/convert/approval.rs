//! Approvals: what an operator decides, and how they stand.

use signoff_api::Code;
use signoff_api::approval::{self as wire, Approval, DecisionKind};
use signoff_core::actor::ActorKind;
use signoff_core::event::{ApprovalStatus, Via, View};
use signoff_core::rows::Edit;
use signoff_core::time::Timestamp;
use signoff_engine::request::{Decide, Decision};
use signoff_engine::view::{ActorView, ApprovalView, InfoView, StageView, ToldView, VoteView};

use super::super::problem::Refused;
use super::action::{object, requirement_of, stage_of};
use super::standing;
use super::{Extent, Faults, Reader, ToCore, ToWire, digest, seconds_left};

/// Longest piece of what an operator was looking at, in characters.
const VIEW_CHARS_MAX: usize = 200;

/// One operator's decision.
pub(crate) fn decide(mut given: wire::Decide) -> Result<Decide, Refused> {
    let mut faults = Faults::default();
    let seen = digest(&mut faults, "/digest", given.digest.as_deref());
    for (pointer, text) in [
        ("/comment", &given.comment),
        ("/reason", &given.reason),
        ("/question", &given.question),
    ] {
        faults.check_text(pointer, text.as_deref());
    }
    let view = given.view.and_then(|view| view_of(&mut faults, view));
    let words = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (comment, reason, question) = (words(given.comment), words(given.reason), words(given.question));
    let (stray, decision) = match given.decision {
        DecisionKind::Approve => {
            if given.digest.is_none() {
                faults.add(
                    "/digest",
                    "`digest` is missing: an approval is for exactly what was shown",
                );
            }
            let scope = standing::scope(
                &mut faults,
                given.edit.take(),
                given.standing.take(),
                given.always.take(),
            );
            let decision = seen.map(|digest| Decision::Approve {
                digest,
                comment: comment.or(reason),
                scope,
            });
            ([("/question", question.is_some())].to_vec(), decision)
        }
        DecisionKind::Deny => {
            let reason = reason.or(comment);
            if reason.is_none() {
                faults.add("/reason", "`reason` is missing: a denial says why");
            }
            let decision = reason.map(|reason| Decision::Deny { digest: seen, reason });
            ([("/question", question.is_some())].to_vec(), decision)
        }
        DecisionKind::RequestInfo => {
            if question.is_none() {
                faults.add("/question", "`question` is missing");
            }
            let stray = [("/comment", comment.is_some()), ("/reason", reason.is_some())].to_vec();
            (stray, question.map(|question| Decision::RequestInfo { question }))
        }
    };
    // An approval has taken its own.
    let reaches = [
        ("/edit", given.edit.is_some()),
        ("/standing", given.standing.is_some()),
        ("/always", given.always.is_some()),
    ];
    for (pointer, _) in stray.into_iter().chain(reaches).filter(|(_, given)| *given) {
        faults.add(pointer, "this does not go with the decision, and would be lost");
    }
    faults.done(Code::InvalidRequest)?;
    let decision = decision.ok_or_else(|| Refused::invalid("", "the decision is not complete"))?;
    Ok(Decide { decision, view })
}

/// What was looked at; nothing of it is recorded unless its digest is known.
fn view_of(faults: &mut Faults, given: wire::View) -> Option<View> {
    for (pointer, text) in [("/view/build", &given.build), ("/view/locale", &given.locale)] {
        faults.check_chars(pointer, text.as_deref(), VIEW_CHARS_MAX);
    }
    let digest = digest(faults, "/view/digest", given.digest.as_deref())?;
    Some(View {
        digest,
        build: given.build.unwrap_or_default(),
        locale: given.locale.unwrap_or_default(),
        via: None,
    })
}

/// A list of statuses with commas between them.
pub(crate) fn statuses(given: Option<&str>) -> Result<Vec<ApprovalStatus>, Refused> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let words = given.split(',').map(str::trim);
    let parsed = words.map(|word| word.parse::<wire::ApprovalStatus>().map(ToCore::to_core));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|why| Refused::parameter(format!("`status`: {why}")))
}

/// An approval, as far as its reader may see it.
pub(crate) fn approval(reader: Reader<'_>, view: &ApprovalView, extent: Extent) -> Result<Approval, Refused> {
    let (row, content, claims) = (&*view.row, &*view.content, &view.content.claims);
    let open = !row.status.is_terminal();
    let run = view
        .execution
        .as_ref()
        .and_then(|execution| execution.call.as_deref());
    let call = row
        .call
        .as_ref()
        .map(|facts| reader.call(facts, run, content, extent));
    Ok(Approval {
        id: row.id.to_string(),
        action_id: row.id.action().to_string(),
        execution_id: view.execution.as_ref().map(|execution| execution.id.to_string()),
        status: row.status.to_wire(),
        is_terminal: !open,
        has_result: view
            .execution
            .as_ref()
            .is_some_and(|execution| execution.outcome.is_some()),
        action: row.action.clone(),
        agent: view.agent.to_wire(),
        summary: view.sentence.text(),
        inputs: object(content, &content.inputs),
        context: object(content, &content.context),
        reason: claims.reason.clone(),
        description: claims.description.clone(),
        intent: claims.intent.clone(),
        requested_by: claims.requested_by.clone(),
        priority: row.priority.to_wire(),
        risk: row.risk.to_wire(),
        estimated_cost: row.cost.to_wire(),
        claimed: row.claimed.to_wire(),
        trace: claims.trace.to_wire(),
        edits: row.edits.iter().zip(&view.editors).map(edited).collect(),
        digest: row.digest.to_wire(),
        url: reader.engine.approval_url(row.id),
        policy: row.policy.to_wire(),
        conditions: content.conditions.to_wire(),
        requirement: requirement_of(&row.requirement, view.stages.to_wire()),
        votes: view.votes.to_wire(),
        info: view.info.to_wire(),
        accepts: row.accepts.to_wire(),
        escalated: row.escalated_at.is_some(),
        created_at: row.created_at.to_wire(),
        decide_by: row.decide_by.to_wire(),
        expires_in: row
            .decide_by
            .filter(|_| open)
            .map(|at| seconds_left(view.now.until(at))),
        decided_at: row.decided_at.to_wire(),
        decided_by: view
            .decided_by
            .as_ref()
            .filter(|by| by.kind != ActorKind::System)
            .map(ToWire::to_wire),
        decision_reason: view.decision_reason.clone().or_else(|| row.note.clone()),
        code: row.code.to_wire(),
        run_by: view
            .execution
            .as_ref()
            .map(|execution| execution.run_by.to_wire()),
        told: view.told.to_wire(),
        call: call.transpose()?,
    })
}

fn edited((edit, by): (&Edit, &ActorView)) -> wire::Edited {
    wire::Edited {
        by: by.to_wire(),
        at: edit.at.to_wire(),
        digest_before: edit.before.to_wire(),
    }
}

impl ToWire for StageView {
    type Wire = wire::Stage;

    fn to_wire(&self) -> wire::Stage {
        wire::Stage {
            approved_by: self.approved_by.iter().map(voter).collect(),
            denied_by: self.denied_by.iter().map(voter).collect(),
            needed: self.needed,
            ..stage_of(&self.stage, self.number, self.state.to_wire())
        }
    }
}

impl ToWire for VoteView {
    type Wire = wire::Vote;

    fn to_wire(&self) -> wire::Vote {
        wire::Vote {
            operator: voter(&self.actor),
            decision: self.ballot.to_wire(),
            counted: self.counted,
            via: self.via.map(|via| match via {
                Via::Link { .. } => wire::VoteVia::Link,
                Via::Channel { .. } => wire::VoteVia::Channel,
            }),
            comment: self.comment.clone(),
            at: self.at.to_wire(),
        }
    }
}

fn voter(actor: &ActorView) -> wire::Voter {
    let actor = actor.to_wire();
    wire::Voter {
        kind: actor.kind,
        name: actor.name.unwrap_or_else(|| actor.id.clone()),
        id: actor.id,
    }
}

impl ToWire for InfoView {
    type Wire = wire::InfoRequest;

    fn to_wire(&self) -> wire::InfoRequest {
        wire::InfoRequest {
            question: self.question.clone().unwrap_or_default(),
            asked_by: self.asked_by.to_wire(),
            asked_at: self.asked_at.to_wire(),
            answer: self.answer.clone(),
            answered_at: self.answered_at.to_wire(),
        }
    }
}

impl ToWire for ToldView {
    type Wire = wire::Told;

    fn to_wire(&self) -> wire::Told {
        let status = self.state.to_wire();
        let delivered = status == signoff_api::webhook::DeliveryStatus::Delivered;
        wire::Told {
            channel: self.channel.to_wire(),
            how: self.how.to_string(),
            recipient: self.recipient.to_wire(),
            event: self.kind.clone(),
            status,
            at: delivered.then(|| Timestamp::to_string(&self.at)),
            error: self.error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(decision: DecisionKind) -> wire::Decide {
        wire::Decide {
            decision,
            digest: None,
            comment: None,
            reason: None,
            question: None,
            edit: None,
            standing: None,
            always: None,
            view: None,
        }
    }

    fn pointers(given: wire::Decide) -> Vec<String> {
        let refused = decide(given).unwrap_err();
        refused
            .problem()
            .errors
            .iter()
            .map(|error| error.pointer.clone())
            .collect()
    }

    /// I2: an approval names what was seen.
    #[test]
    fn i2_an_approval_needs_the_digest_of_what_was_shown() {
        assert_eq!(pointers(given(DecisionKind::Approve)), ["/digest"]);
        let digits = "ab".repeat(32);
        for wrong in [
            digits.clone(),
            format!("sha256:{}", digits.to_uppercase()),
            "sha256:ab".into(),
        ] {
            let approve = wire::Decide {
                digest: Some(wrong),
                ..given(DecisionKind::Approve)
            };
            assert_eq!(pointers(approve), ["/digest"]);
        }
        let approve = wire::Decide {
            digest: Some(format!("sha256:{digits}")),
            ..given(DecisionKind::Approve)
        };
        assert!(matches!(
            decide(approve).unwrap().decision,
            Decision::Approve { comment: None, .. }
        ));
    }

    #[test]
    fn words_that_would_be_lost_or_are_missing_are_refused() {
        assert_eq!(pointers(given(DecisionKind::Deny)), ["/reason"]);
        let blank = wire::Decide {
            reason: Some(" \n".into()),
            ..given(DecisionKind::Deny)
        };
        assert_eq!(pointers(blank), ["/reason"]);
        assert_eq!(pointers(given(DecisionKind::RequestInfo)), ["/question"]);
        let both = wire::Decide {
            reason: Some("no".into()),
            question: Some("why?".into()),
            ..given(DecisionKind::Deny)
        };
        assert_eq!(pointers(both), ["/question"]);
    }

    #[test]
    fn statuses_are_a_list_with_commas() {
        let both = [ApprovalStatus::Pending, ApprovalStatus::InfoRequested];
        assert_eq!(statuses(Some("pending, info_requested")).unwrap(), both);
        assert!(statuses(Some("pending,done")).is_err());
        assert!(statuses(Some("")).is_err());
    }
}
