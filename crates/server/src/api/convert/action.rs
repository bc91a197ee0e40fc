//! Actions, verdicts and what they quote: policies, conditions, requirements.

use std::sync::Arc;

use serde_json::{Map, Value};
use signoff_api::action::{self as wire, PolicyRef, SubmitAnswer};
use signoff_api::approval::{Requirement, Stage, StageState, Unresolved};
use signoff_api::limits::{SHORT_TEXT_CHARS_MAX, TRACE_CHARS_MAX};
use signoff_api::{Code, Decimal, Duration, FieldError};
use signoff_core::action::{Accepts, Action, Claims, Cost, Trace};
use signoff_core::condition::Report;
use signoff_core::policy::Effect;
use signoff_core::time::{Micros, Timestamp};
use signoff_core::{policy, requirement};
use signoff_engine::request::Submit;
use signoff_engine::view::{ActionView, Content, Judged, Reach, Submitted};

use super::super::problem::Refused;
use super::call::call;
use super::{Faults, ToCore, ToWire, seconds_left};

/// An action on its way in.
pub(crate) fn submit(given: wire::Submit) -> Result<Submit, Refused> {
    let mut faults = Faults::default();
    for (pointer, text) in [
        ("/reason", &given.reason),
        ("/description", &given.description),
        ("/intent", &given.intent),
    ] {
        faults.check_text(pointer, text.as_deref());
    }
    faults.check_chars(
        "/requested_by",
        given.requested_by.as_deref(),
        SHORT_TEXT_CHARS_MAX,
    );
    let trace = given.trace.map(|given| trace(&mut faults, given));
    let cost = given.estimated_cost.and_then(|cost| {
        let why = "a cost is a decimal number of US dollars such as \"500.00\", not negative, at most 40 characters";
        faults.keep("/estimated_cost", Cost::parse(cost.as_str()).map_err(|_| why))
    });
    let timeout = given
        .timeout
        .and_then(|timeout| span(&mut faults, "/timeout", timeout));
    let replaces = given.replaces.and_then(|id| faults.keep("/replaces", id.parse()));
    if given.action.is_empty() && given.http.is_none() {
        faults.add("/action", "`action` is missing");
    }
    let http = given.http.and_then(|given| call(&mut faults, given));
    faults.done(Code::InvalidRequest)?;
    let name = match &http {
        Some(call) if given.action.is_empty() => call.action_name(),
        _ => given.action,
    };
    let action = Action {
        name,
        inputs: given.inputs.unwrap_or_default(),
        context: given.context.unwrap_or_default(),
        claims: Claims {
            reason: given.reason,
            description: given.description,
            intent: given.intent,
            requested_by: given.requested_by,
            trace: trace.filter(|trace| *trace != Trace::default()),
        },
        priority: given.priority.unwrap_or_default().to_core(),
        risk: given.risk.unwrap_or_default().to_core(),
        cost,
        timeout,
        require_approval: given.require_approval.unwrap_or_default(),
        accepts: accepts(&given.accepts.unwrap_or_default()),
        http: http.map(Arc::new),
        grant: None,
    };
    Ok(Submit {
        action,
        agent: given.agent,
        replaces,
        callback_url: given
            .callback_url
            .map(|url| secrecy::SecretString::from(url.expose())),
    })
}

fn trace(faults: &mut Faults, given: wire::Trace) -> Trace {
    for (pointer, text) in [
        ("/trace/run_id", &given.run_id),
        ("/trace/task_id", &given.task_id),
        ("/trace/mission_id", &given.mission_id),
        ("/trace/parent", &given.parent),
    ] {
        faults.check_chars(pointer, text.as_deref(), TRACE_CHARS_MAX);
    }
    Trace {
        run_id: given.run_id,
        task_id: given.task_id,
        mission_id: given.mission_id,
        parent: given.parent,
    }
}

/// A length of time that has an end.
pub(super) fn span(faults: &mut Faults, pointer: &str, given: Duration) -> Option<Micros> {
    let Some(seconds) = given.seconds() else {
        faults.add(pointer, "`never` is for the timeout of a policy's approval only");
        return None;
    };
    Some(micros(seconds))
}

/// So many seconds; more than can be counted is the end of time, which every limit refuses.
pub(super) fn micros(seconds: u64) -> Micros {
    Micros::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn accepts(given: &[wire::Accepts]) -> Accepts {
    Accepts {
        edits: given.contains(&wire::Accepts::Edits),
        info_requests: given.contains(&wire::Accepts::InfoRequests),
        answers: given.contains(&wire::Accepts::Answers),
    }
}

impl ToWire for Accepts {
    type Wire = Vec<wire::Accepts>;

    fn to_wire(&self) -> Vec<wire::Accepts> {
        let all = [
            (self.edits, wire::Accepts::Edits),
            (self.info_requests, wire::Accepts::InfoRequests),
            (self.answers, wire::Accepts::Answers),
        ];
        all.into_iter()
            .filter_map(|(able, accepts)| able.then_some(accepts))
            .collect()
    }
}

impl ToWire for Trace {
    type Wire = wire::Trace;

    fn to_wire(&self) -> wire::Trace {
        wire::Trace {
            run_id: self.run_id.clone(),
            task_id: self.task_id.clone(),
            mission_id: self.mission_id.clone(),
            parent: self.parent.clone(),
        }
    }
}

impl ToWire for policy::PolicyRef {
    type Wire = PolicyRef;

    fn to_wire(&self) -> PolicyRef {
        PolicyRef {
            id: self.id.to_string(),
            name: self.name.clone(),
            version: self.version,
        }
    }
}

impl ToWire for Report {
    type Wire = wire::ConditionReport;

    fn to_wire(&self) -> wire::ConditionReport {
        wire::ConditionReport {
            expression: self.expression.clone(),
            saw: self.saw.clone(),
            result: self.result.to_wire(),
            error: self.error.clone(),
        }
    }
}

/// What is asked of people, before anybody voted.
impl ToWire for requirement::Requirement {
    type Wire = Requirement;

    fn to_wire(&self) -> Requirement {
        let stages = self.stages.iter().zip(1_u32..).map(|(stage, number)| {
            let state = if number == 1 {
                StageState::Open
            } else {
                StageState::Waiting
            };
            stage_of(stage, number, state)
        });
        requirement_of(self, stages.collect())
    }
}

/// A stage without votes.
pub(super) fn stage_of(asked: &requirement::Stage, number: u32, state: StageState) -> Stage {
    Stage {
        number,
        name: asked.name.clone(),
        state,
        approvers: asked.approvers.iter().map(ToString::to_string).collect(),
        quorum: asked.quorum,
        deny_quorum: asked.deny_quorum,
        approved_by: Vec::new(),
        denied_by: Vec::new(),
        needed: asked.quorum,
    }
}

/// A requirement with its stages as they stand; what it says of one stage is that of the one at which it stands.
pub(super) fn requirement_of(needs: &requirement::Requirement, stages: Vec<Stage>) -> Requirement {
    let turn = stages.iter().find(|stage| stage.state != StageState::Done);
    let turn = turn.or(stages.last());
    Requirement {
        approvers: turn.map(|stage| stage.approvers.clone()).unwrap_or_default(),
        quorum: turn.map_or(0, |stage| stage.quorum),
        deny_quorum: turn.map_or(0, |stage| stage.deny_quorum),
        self_approval: needs.self_approval,
        require_decision_reason: needs.require_decision_reason,
        link: needs.link.to_wire(),
        link_risk_max: needs.link_risk_max.to_wire(),
        allow_edit: needs.allow_edit,
        allow_standing: needs.allow_standing,
        unresolved: needs.unresolved.to_wire(),
        stages,
    }
}

impl ToWire for requirement::Unresolved {
    type Wire = Unresolved;

    fn to_wire(&self) -> Unresolved {
        Unresolved {
            stage: self.stage,
            context: self.context.clone(),
            why: self.why.to_wire(),
            defaulted: self.defaulted,
        }
    }
}

impl ToWire for Cost {
    type Wire = Decimal;

    fn to_wire(&self) -> Decimal {
        Decimal(self.as_str().to_owned())
    }
}

/// The answer to a submit, with the link that only the engine can build.
pub(crate) fn submit_answer(submitted: &Submitted, url: impl Fn() -> String) -> SubmitAnswer {
    let asks = submitted.effect == Effect::Ask;
    SubmitAnswer {
        verdict: submitted.effect.to_wire(),
        action_id: submitted.action_id.to_string(),
        execution_id: submitted.execution_id.map(|id| id.to_string()),
        approval_id: submitted.approval_id.map(|id| id.to_string()),
        approval_url: submitted.approval_id.map(|_| url()),
        expires_at: submitted
            .decide_by
            .filter(|_| asks)
            .as_ref()
            .map(Timestamp::to_string),
        expires_in: submitted.expires_in.filter(|_| asks).map(seconds_left),
        timeout_cut: submitted.timeout_cut.then_some(true),
        policy: submitted.policy.to_wire(),
        conditions: submitted.conditions.to_wire(),
        code: submitted.code.to_wire(),
        reason: submitted.reason.clone(),
        standing_approval_id: submitted.standing.map(|id| id.to_string()),
        dropped_headers: submitted.dropped_headers.clone(),
        approval: None,
        unheard: unheard(submitted.reach),
    }
}

fn unheard(reach: Reach) -> Option<wire::Unheard> {
    match reach {
        Reach::Somebody => None,
        Reach::Later(until) => Some(wire::Unheard {
            until: Some(until.to_string()),
            detail: "everybody who may decide has quiet hours; what is critical is told all the same".into(),
        }),
        Reach::Nobody => Some(wire::Unheard {
            until: None,
            detail: "no channel reaches anybody who may decide: it waits in the console; an admin adds a channel with `signoff channels add`".into(),
        }),
    }
}

impl ToWire for Judged {
    type Wire = wire::Verdict;

    fn to_wire(&self) -> wire::Verdict {
        let verdict = &self.verdict;
        let asks = verdict.effect == Effect::Ask;
        wire::Verdict {
            verdict: verdict.effect.to_wire(),
            policy: verdict.policy.to_wire(),
            conditions: verdict.conditions.to_wire(),
            code: verdict.code.to_wire(),
            reason: self.reason.clone(),
            requirement: asks.then(|| verdict.requirement.to_wire()),
            expires_in: verdict.decide_within.filter(|_| asks).map(seconds_left),
            timeout_cut: (asks && verdict.timeout_cut).then_some(true),
            incomplete: verdict.lacks.to_wire(),
            raised: verdict.raised.as_deref().map(ToWire::to_wire),
            standing_approval_id: self.standing.map(|id| id.to_string()),
        }
    }
}

impl ToWire for policy::Lack {
    type Wire = FieldError;

    fn to_wire(&self) -> FieldError {
        FieldError {
            pointer: self.pointer.clone(),
            detail: self.why.clone(),
        }
    }
}

/// An object of the request; null when it was erased.
pub(super) fn object(content: &Content, map: &Map<String, Value>) -> Value {
    if content.erased {
        Value::Null
    } else {
        Value::Object(map.clone())
    }
}

impl ToWire for ActionView {
    type Wire = wire::Action;

    fn to_wire(&self) -> wire::Action {
        let (content, claims) = (&*self.content, &self.content.claims);
        wire::Action {
            id: self.submitted.action_id.to_string(),
            verdict: self.submitted.effect.to_wire(),
            action: self.action.clone(),
            agent: self.agent.to_wire(),
            inputs: object(content, &content.inputs),
            context: object(content, &content.context),
            reason: claims.reason.clone(),
            description: claims.description.clone(),
            intent: claims.intent.clone(),
            requested_by: claims.requested_by.clone(),
            priority: self.facts.priority.to_wire(),
            risk: self.facts.risk.to_wire(),
            estimated_cost: self.facts.cost.to_wire(),
            claimed: self.facts.claimed.to_wire(),
            trace: claims.trace.to_wire(),
            digest: self.facts.digest.to_wire(),
            policy: self.submitted.policy.to_wire(),
            conditions: self.submitted.conditions.to_wire(),
            code: self.submitted.code.to_wire(),
            approval_id: self.submitted.approval_id.map(|id| id.to_string()),
            execution_id: self.submitted.execution_id.map(|id| id.to_string()),
            created_at: self.created_at.to_wire(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(given: wire::Submit) -> Vec<String> {
        let refused = submit(given).unwrap_err();
        refused
            .problem()
            .errors
            .iter()
            .map(|error| error.pointer.clone())
            .collect()
    }

    #[test]
    fn everything_at_fault_is_named_at_once() {
        let given = wire::Submit {
            action: "a".into(),
            reason: Some("x".repeat(4001)),
            requested_by: Some("x".repeat(321)),
            trace: Some(wire::Trace {
                run_id: Some("x".repeat(201)),
                ..wire::Trace::default()
            }),
            estimated_cost: Some(Decimal("-1".into())),
            timeout: Some(Duration::Never),
            replaces: Some("apr_1".into()),
            ..wire::Submit::default()
        };
        assert_eq!(
            faults(given),
            [
                "/reason",
                "/requested_by",
                "/trace/run_id",
                "/estimated_cost",
                "/timeout",
                "/replaces"
            ]
        );
    }

    #[test]
    fn what_is_said_arrives_and_nothing_else() {
        let given = wire::Submit {
            action: "stripe.refund".into(),
            estimated_cost: Some(Decimal("500.00".into())),
            timeout: Some(Duration::Seconds(90)),
            accepts: Some(vec![wire::Accepts::InfoRequests]),
            ..wire::Submit::default()
        };
        let submit = submit(given).unwrap();
        let expected = Action {
            cost: Some(Cost::parse("500.00").unwrap()),
            timeout: Some(Micros::seconds(90)),
            accepts: Accepts {
                info_requests: true,
                ..Accepts::default()
            },
            ..Action::named("stripe.refund")
        };
        assert_eq!(submit.action, expected);
        assert_eq!(expected.accepts.to_wire(), [wire::Accepts::InfoRequests]);
    }
}
