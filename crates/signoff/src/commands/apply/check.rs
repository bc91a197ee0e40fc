//! What a file can't mean: said before anything changes.

use std::collections::BTreeMap;

use anyhow::bail;
use signoff_api::file::{OperatorEntry, SignoffFile};
use signoff_api::operator::Role;

use super::present::Present;

/// Refuses names that stand twice, people who are not there, and a file that locks somebody out.
pub(super) fn check(file: &SignoffFile, present: &Present) -> anyhow::Result<()> {
    fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
        let mut seen = BTreeMap::new();
        for name in names {
            if let Some(first) = seen.insert(name.to_ascii_lowercase(), name) {
                bail!("{kind}: `{first}` stands twice in the file");
            }
        }
        Ok(())
    }
    unique(
        "operators",
        file.operators.iter().flatten().map(|one| one.email.as_str()),
    )?;
    unique(
        "groups",
        file.groups.iter().flatten().map(|one| one.name.as_str()),
    )?;
    unique(
        "agents",
        file.agents.iter().flatten().map(|one| one.name.as_str()),
    )?;
    unique(
        "grants",
        file.grants.iter().flatten().map(|one| one.name.as_str()),
    )?;
    unique(
        "channels",
        file.channels.iter().flatten().map(|one| one.name.as_str()),
    )?;
    if let Some(operators) = &file.operators {
        somebody_governs(operators, present)?;
    }
    let is_there = |email: &str| match &file.operators {
        Some(operators) => operators.iter().any(|one| one.email.eq_ignore_ascii_case(email)),
        None => present
            .operators
            .iter()
            .any(|one| one.email.eq_ignore_ascii_case(email) || one.id == email),
    };
    for group in file.groups.iter().flatten() {
        if let Some(who) = group.members.iter().find(|who| !is_there(who)) {
            bail!(
                "group `{}`: no operator has the address `{who}`; add them to `operators`",
                group.name
            );
        }
    }
    for agent in file.agents.iter().flatten() {
        if let Some(owner) = agent.owner.as_deref().filter(|owner| !is_there(owner)) {
            bail!(
                "agent `{}`: no operator has the address `{owner}`; add them to `operators`",
                agent.name
            );
        }
    }
    Ok(())
}

/// Nobody locks themselves out, and never the last admin.
fn somebody_governs(operators: &[OperatorEntry], present: &Present) -> anyhow::Result<()> {
    let wanted = |email: &str| operators.iter().find(|one| one.email.eq_ignore_ascii_case(email));
    if let Some(me) = present.operators.iter().find(|one| one.id == present.me.id) {
        match wanted(&me.email) {
            None => bail!(
                "nothing was changed: you are `{}`, and `operators` would disable you; add yourself, or let another admin apply this",
                me.email
            ),
            Some(entry) if me.role == Role::Admin && entry.role != Role::Admin => bail!(
                "nothing was changed: you are `{}`, and would be an admin no more; let another admin apply this",
                me.email
            ),
            Some(_) => {}
        }
    }
    let governs = present
        .operators
        .iter()
        .any(|one| one.role == Role::Admin && !one.disabled);
    if governs && !operators.iter().any(|one| one.role == Role::Admin) {
        bail!(
            "nothing was changed: no admin is among `operators`, so nobody would govern; give somebody `role: admin`"
        );
    }
    Ok(())
}
