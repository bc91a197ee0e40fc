//! What an approval reaches beyond its request: changes, a while, for ever.

use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value};
use signoff_api::Duration;
use signoff_api::approval::{AlwaysPreview, AlwaysScope, Approval, Edit, StandingTerms};
use signoff_api::policy::Condition;

use crate::{fields, inert};

/// How far an approval reaches.
#[derive(Debug, Default, Args)]
pub(crate) struct ReachArgs {
    /// Change inputs first, k=v or k:=JSON; the others stay (where the policy allows it)
    #[arg(long, value_name = "K=V", num_args = 1.., value_parser = fields::check, conflicts_with_all = ["span", "always"])]
    inputs: Vec<String>,
    /// Change the context first, k=v or k:=JSON; the rest stays
    #[arg(long, value_name = "K=V", num_args = 1.., value_parser = fields::check, conflicts_with_all = ["span", "always"])]
    context: Vec<String>,
    /// Put another body in place of the call's first; `@FILE` for that of a file
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["span", "always"])]
    body: Option<String>,
    /// Approve such requests of this agent for so long, without asking again; at most 30d
    #[arg(long = "for", value_name = "SPAN", conflicts_with = "always")]
    span: Option<Duration>,
    /// With --for: so often at most
    #[arg(long, value_name = "N", requires = "span")]
    uses: Option<u32>,
    /// With --for: only while this holds, such as 'context.amount <= 50'
    #[arg(long = "if", value_name = "CONDITION", requires = "span")]
    condition: Option<String>,
    /// Allow such requests from now on by policy: `action`, for this action of this agent, or `policy`, for all that its
    /// policy asks for
    #[arg(long, value_name = "SCOPE")]
    always: Option<AlwaysScope>,
}

/// Text, or that of a file.
fn body(given: &str) -> anyhow::Result<String> {
    match given.strip_prefix('@') {
        Some(file) => fields::read(file),
        None => Ok(given.to_owned()),
    }
}

impl ReachArgs {
    /// The request as it should be.
    pub(crate) fn edit(&self, approval: &Approval) -> anyhow::Result<Option<Edit>> {
        let edit = Edit {
            inputs: changed(&self.inputs, &approval.inputs)?,
            context: changed(&self.context, &approval.context)?,
            body: self.body.as_deref().map(body).transpose()?,
            body_base64: None,
        };
        Ok((edit != Edit::default()).then_some(edit))
    }

    /// What is answered ahead.
    pub(crate) fn standing(&self) -> Option<StandingTerms> {
        Some(StandingTerms {
            valid_for: self.span?,
            uses: self.uses,
            condition: self.condition.clone().map(Condition::Expression),
        })
    }

    /// What is allowed from now on.
    pub(crate) fn always(&self) -> Option<AlwaysScope> {
        self.always
    }
}

fn changed(arguments: &[String], present: &Value) -> anyhow::Result<Option<Map<String, Value>>> {
    let Some(changes) = fields::object(arguments)? else {
        return Ok(None);
    };
    let Value::Object(present) = present else {
        bail!("what was asked was erased");
    };
    let mut all = present.clone();
    all.extend(changes);
    Ok(Some(all))
}

/// What approving for ever comes to.
pub(super) fn preview(preview: &AlwaysPreview) -> String {
    let covered = &preview.covered;
    let total = covered.approved + covered.denied + covered.expired + covered.other;
    let verb = if preview.replaces { "changes" } else { "adds" };
    format!(
        "this {verb} the policy `{}`, which allows from now on; of {total} such requests in the last 30 days people approved {} \
         and denied {}, {} expired; {} pending now pass with it",
        inert::line(&preview.policy.name),
        covered.approved,
        covered.denied,
        covered.expired,
        preview.pending
    )
}
