//! The terms of asking: who decides, stage by stage, for how long, and who is told.

use serde::{Deserialize, Serialize};

use super::{
    ApproverRule, Contacts, EditRule, EditTerms, Escalation, EscalationTerms, LIST_LEN_MAX, People,
    PolicyProblem, TimeoutRule,
    contacts::{self, effective},
    problem,
};
use crate::{
    action::{Action, Risk, TIMEOUT_MAX},
    requirement::{
        Approver, LINK_RISK_MAX, LinkMode, QUORUM_MAX, Requirement, STAGES_MAX, Stage, Unresolved,
    },
};

/// One stage as a policy has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StageTerms {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may vote in it.
    pub approvers: Vec<ApproverRule>,
    /// How many people must approve; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// How many people must deny; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_quorum: Option<u32>,
}

/// The longest name of a stage, in characters.
const STAGE_NAME_CHARS_MAX: usize = 100;

/// The terms of asking.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApprovalTerms {
    /// Who may decide; none named: the workspace's default approvers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<ApproverRule>,
    /// How many people must approve; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// How many people must deny; 1 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_quorum: Option<u32>,
    /// One after the other, in place of approvers and quorums.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageTerms>,
    /// How long people have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeoutRule>,
    /// Whether the agent's owner and the person it asks for may approve too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
    /// Whose link may decide; an operator's unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkMode>,
    /// Up to which risk a link, or a button of a message, may decide; [`LINK_RISK_MAX`] unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_risk_max: Option<Risk>,
    /// Whom to tell when nobody has decided in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<EscalationTerms>,
    /// Whom to tell at once, beside those who may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Contacts>,
    /// What approvers may change before they approve; nothing unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_edit: Option<EditTerms>,
    /// Whether approvers may answer for further requests of the same kind; yes unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_standing: Option<bool>,
}

/// What is said of one stage, wherever it stands.
struct Asked<'a> {
    name: Option<&'a String>,
    approvers: &'a [ApproverRule],
    quorum: Option<u32>,
    deny_quorum: Option<u32>,
}

impl ApprovalTerms {
    /// The stages, of which the flat form is one.
    fn asked(&self) -> Vec<Asked<'_>> {
        if self.stages.is_empty() {
            return vec![Asked {
                name: None,
                approvers: &self.approvers,
                quorum: self.quorum,
                deny_quorum: self.deny_quorum,
            }];
        }
        let stages = self.stages.iter().map(|stage| Asked {
            name: stage.name.as_ref(),
            approvers: &stage.approvers,
            quorum: stage.quorum,
            deny_quorum: stage.deny_quorum,
        });
        stages.collect()
    }

    /// Every approver that is named as such, in whatever stage.
    pub fn named_approvers(&self) -> impl Iterator<Item = &Approver> {
        let stages = self.stages.iter().flat_map(|stage| &stage.approvers);
        self.approvers.iter().chain(stages).filter_map(|rule| match rule {
            ApproverRule::Named(approver) => Some(approver),
            ApproverRule::FromContext(_) => None,
        })
    }

    /// The feature level whose nodes read these terms: the first knew flat ones with fixed names.
    pub(super) fn feature_level(&self) -> u32 {
        let from_context = |rules: &[ApproverRule]| {
            rules
                .iter()
                .any(|rule| matches!(rule, ApproverRule::FromContext(_)))
        };
        let chooses = |contacts: &[Contacts]| {
            contacts
                .iter()
                .any(|contacts| matches!(contacts, Contacts::From { .. }))
        };
        let escalates = self
            .escalate
            .as_ref()
            .is_some_and(|escalate| chooses(&escalate.to));
        let new = !self.stages.is_empty()
            || self.link.is_some()
            || from_context(&self.approvers)
            || chooses(&self.notify)
            || escalates;
        match (self.allow_edit.is_some() || self.allow_standing.is_some(), new) {
            _ if self.link_risk_max.is_some() => 5,
            (true, _) => 4,
            (false, true) => 3,
            (false, false) => 1,
        }
    }

    pub(super) fn check(&self) -> Result<(), PolicyProblem> {
        self.check_stages()?;
        if let Some(TimeoutRule::After(span)) = self.timeout
            && (span.0 <= 0 || span > TIMEOUT_MAX)
        {
            return Err(problem(
                "/approval/timeout",
                "more than 0 and at most 30 days, or \"never\"",
            ));
        }
        if let Some(escalate) = &self.escalate {
            let fits = escalate.after.0 > 0 && escalate.after <= TIMEOUT_MAX && !escalate.to.is_empty();
            if !fits {
                return Err(problem(
                    "/approval/escalate",
                    "`after` is more than 0 and at most 30 days, and `to` names at least one contact",
                ));
            }
            contacts::check("/approval/escalate/to", &escalate.to)?;
        }
        contacts::check("/approval/notify", &self.notify)?;
        EditRule::of(self.allow_edit.as_ref())?;
        self.check_link()
    }

    fn check_stages(&self) -> Result<(), PolicyProblem> {
        let flat = !self.approvers.is_empty() || self.quorum.is_some() || self.deny_quorum.is_some();
        if !self.stages.is_empty() && flat {
            return Err(problem(
                "/approval/stages",
                "either stages or approvers with their quorums; move these into a stage",
            ));
        }
        if self.stages.len() > STAGES_MAX {
            return Err(problem(
                "/approval/stages",
                format!("more than {STAGES_MAX} stages"),
            ));
        }
        let asked = self.asked();
        for (at, stage) in asked.iter().enumerate() {
            let place = if self.stages.is_empty() {
                "/approval".to_owned()
            } else {
                format!("/approval/stages/{at}")
            };
            stage.check(&place)?;
            if !self.stages.is_empty() && stage.approvers.is_empty() {
                return Err(problem(
                    format!("{place}/approvers"),
                    "a stage names its approvers",
                ));
            }
        }
        let people: u32 = asked.iter().map(|stage| stage.quorum.unwrap_or(1)).sum();
        if people > QUORUM_MAX {
            return Err(problem(
                "/approval/stages",
                format!("the quorums of all stages come to more than {QUORUM_MAX} people"),
            ));
        }
        let approvers: usize = asked.iter().map(|stage| stage.approvers.len()).sum();
        if approvers > LIST_LEN_MAX {
            return Err(problem(
                "/approval/stages",
                format!("more than {LIST_LEN_MAX} approvers over all stages"),
            ));
        }
        Ok(())
    }

    fn check_link(&self) -> Result<(), PolicyProblem> {
        let several = self.stages.len() > 1
            || self.asked().iter().any(|stage| {
                stage.quorum.is_some_and(|quorum| quorum > 1)
                    || stage.deny_quorum.is_some_and(|quorum| quorum > 1)
            });
        if self.link == Some(LinkMode::Anyone) && several {
            return Err(problem(
                "/approval/link",
                "a link that decides for anyone is one unknown person: not with a quorum above 1, nor with several stages",
            ));
        }
        if self.link == Some(LinkMode::None) && self.link_risk_max.is_some() {
            return Err(problem(
                "/approval/link_risk_max",
                "with `link: none` no link and no button of a message decides, whatever the risk; leave out one of the two",
            ));
        }
        Ok(())
    }

    /// Who must decide about this action.
    pub(crate) fn requirement(
        &self,
        default_approvers: &[Approver],
        require_decision_reason: bool,
        action: &Action,
        people: &People,
    ) -> Requirement {
        let mut unresolved = Vec::new();
        let stages = self.asked().into_iter().zip(1..).map(|(stage, number)| {
            let (approvers, missing) = stage.approvers(number, default_approvers, action, people);
            unresolved.extend(missing);
            Stage {
                name: stage.name.cloned(),
                approvers,
                quorum: stage.quorum.unwrap_or(1),
                deny_quorum: stage.deny_quorum.unwrap_or(1),
            }
        });
        Requirement {
            stages: stages.collect(),
            self_approval: self.self_approval,
            require_decision_reason,
            link: self.link_for(action.risk),
            link_risk_max: self.link_risk_max.unwrap_or(LINK_RISK_MAX),
            unresolved,
            allow_edit: self.allow_edit.as_ref().is_some_and(EditTerms::allows_any),
            allow_standing: self.allow_standing.unwrap_or(true),
        }
    }

    /// A link for anyone is too little where much is at risk.
    fn link_for(&self, risk: Risk) -> LinkMode {
        match self.link.unwrap_or_default() {
            LinkMode::Anyone if risk >= Risk::High => LinkMode::Operator,
            link => link,
        }
    }

    /// Whom to tell at once about this action.
    pub(crate) fn notified(&self, action: &Action) -> Vec<String> {
        effective(&self.notify, action)
    }

    /// Whom to tell about this action when nobody has decided in time; nobody for an action that no contact is for.
    pub(crate) fn escalation(&self, action: &Action) -> Option<Escalation> {
        let escalate = self.escalate.as_ref()?;
        let to = effective(&escalate.to, action);
        (!to.is_empty()).then_some(Escalation {
            after: escalate.after,
            to,
        })
    }
}

impl Asked<'_> {
    fn check(&self, place: &str) -> Result<(), PolicyProblem> {
        if self
            .name
            .is_some_and(|name| name.trim().is_empty() || name.chars().count() > STAGE_NAME_CHARS_MAX)
        {
            let why = format!("1 to {STAGE_NAME_CHARS_MAX} characters");
            return Err(problem(format!("{place}/name"), why));
        }
        if self.approvers.len() > LIST_LEN_MAX {
            return Err(problem(
                format!("{place}/approvers"),
                format!("more than {LIST_LEN_MAX} entries"),
            ));
        }
        for (at, rule) in self.approvers.iter().enumerate() {
            if let ApproverRule::FromContext(from) = rule {
                from.check()
                    .map_err(|(field, why)| problem(format!("{place}/approvers/{at}{field}"), why))?;
            }
        }
        for (quorum, field) in [(self.quorum, "quorum"), (self.deny_quorum, "deny_quorum")] {
            if quorum.is_some_and(|quorum| quorum == 0 || quorum > QUORUM_MAX) {
                return Err(problem(
                    format!("{place}/{field}"),
                    format!("from 1 to {QUORUM_MAX}"),
                ));
            }
        }
        Ok(())
    }

    /// Whom the stage comes to for this action, and whom it could not find. Falls closed: what names nobody adds nobody.
    fn approvers(
        &self,
        number: u32,
        default_approvers: &[Approver],
        action: &Action,
        people: &People,
    ) -> (Vec<Approver>, Vec<Unresolved>) {
        let (mut approvers, mut unresolved): (Vec<Approver>, Vec<Unresolved>) = Default::default();
        for rule in self.approvers {
            match rule {
                ApproverRule::Named(approver) => approvers.push(approver.clone()),
                ApproverRule::FromContext(from) => match from.resolve(&action.context, people) {
                    Ok(operator) => approvers.push(Approver::Operator(operator)),
                    Err(why) => unresolved.push(Unresolved {
                        stage: number,
                        context: from.context.clone(),
                        why,
                        defaulted: false,
                    }),
                },
            }
        }
        if approvers.is_empty() {
            approvers = default_approvers.to_vec();
            for one in &mut unresolved {
                one.defaulted = true;
            }
        }
        (approvers, unresolved)
    }
}
