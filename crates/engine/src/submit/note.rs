//! What agents did without having asked: written down as they say it, judged by nobody.

use signoff_core::{
    action::check_text,
    authority::Operation,
    event::{ActionNoted, AgentPut, Event},
    id::ActionId,
    name::check_name,
};
use signoff_store::Wants;

use super::asker::asker;
use crate::{
    Engine, EngineError, EngineResult,
    content::seal_text,
    idempotency::{Once, want},
    request::Note,
    turn::{Draft, Turn, mint_id},
    view::{Caller, Noted},
};

/// How many notes are taken at once.
pub const NOTES_MAX: usize = 200;
/// The longest word for an outcome, in characters.
const OUTCOME_CHARS_MAX: usize = 64;

impl Engine {
    /// Writes down what an agent says it did, all of it or nothing. A note whose key is known was written down before. The
    /// agent is named as in a submit, and registered where that would register it.
    ///
    /// # Errors
    /// If there are too many, or one of them can't be kept as it is.
    pub async fn note(
        &self,
        caller: &Caller,
        agent: Option<&str>,
        notes: Vec<Note>,
    ) -> EngineResult<Vec<Noted>> {
        let tenant = self.tenant(caller)?;
        self.permit(caller, Operation::Ask)?;
        if notes.len() > NOTES_MAX {
            let why = format!("at most {NOTES_MAX} notes are taken at once");
            return Err(EngineError::invalid("", why));
        }
        let mut wants = Wants::default();
        let mut kept = Vec::with_capacity(notes.len());
        for (at, note) in notes.into_iter().enumerate() {
            check(&note).map_err(|(field, why)| EngineError::invalid(format!("/{at}{field}"), why))?;
            let once = Once::of(&tenant, caller, "note", note.key.as_deref(), &note.key)?
                .map(|once| once.kept_like_records(tenant.snapshot().settings()));
            want(&mut wants, once.as_ref());
            kept.push((note, once));
        }
        let (caller, agent) = (caller.clone(), agent.map(str::to_owned));
        self.write(&tenant, wants, move |turn| {
            take(turn, &caller, agent.as_deref(), &kept)
        })
        .await
    }
}

fn check(note: &Note) -> Result<(), (&'static str, String)> {
    check_name(&note.action).map_err(|why| ("/action", why))?;
    check_text(note.text.as_deref().unwrap_or_default()).map_err(|why| ("/text", why))?;
    let length = note.outcome.chars().count();
    if !(1..=OUTCOME_CHARS_MAX).contains(&length) || note.outcome.chars().any(char::is_control) {
        let why = format!("an outcome has 1 to {OUTCOME_CHARS_MAX} characters without control characters");
        return Err(("/outcome", why));
    }
    Ok(())
}

fn take(
    turn: &mut Turn<'_>,
    caller: &Caller,
    agent: Option<&str>,
    notes: &[(Note, Option<Once>)],
) -> EngineResult<Vec<Noted>> {
    let (principal, _) = turn.principal(caller, Operation::Ask)?;
    let (actor, now) = (principal.actor(), turn.now());
    let asker = asker(&turn.snapshot(), caller, agent, Some(mint_id(now)))?;
    if asker.is_new && !notes.is_empty() {
        let put = AgentPut {
            name: asker.facts.name.clone(),
            labels: std::collections::BTreeMap::new(),
            owner: None,
            disabled: false,
            registered_by: asker.application,
        };
        turn.emit(Draft::new(Event::AgentPut(put), actor.clone(), asker.facts.id))?;
    }
    let mut written = Vec::with_capacity(notes.len());
    for (note, once) in notes {
        if let Some(action_id) = turn.before(once.as_ref())? {
            written.push(Noted {
                action_id,
                at: crate::turn::minted_at(action_id.0),
                replayed: true,
            });
            continue;
        }
        let id = ActionId(mint_id(now));
        let event = Event::ActionNoted(ActionNoted {
            name: note.action.clone(),
            agent: asker.facts.id,
            application: asker.application,
            outcome: note.outcome.clone(),
        });
        let text = seal_text(&turn.ledger.tenant.key, id.0, note.text.as_deref());
        turn.emit(Draft::new(event, actor.clone(), id).with(text))?;
        turn.remember(once.as_ref(), &id)?;
        written.push(Noted {
            action_id: id,
            at: now,
            replayed: false,
        });
    }
    Ok(written)
}
