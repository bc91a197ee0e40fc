//! `POST /function_calls` and `POST /contact_requests`: a person is asked, whatever policy says, unless it denies.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use signoff_api::limits::BODY_BYTES_MAX;
use signoff_core::action::{Action, Claims, Trace};
use signoff_core::actor::Principal;
use signoff_engine::EngineError;
use signoff_engine::request::Submit;
use signoff_engine::view::Caller;

use super::fault::Fault;
use super::opaque::lift_state;
use super::show::{self, Held, Seen};
use super::wire::{FunctionCall, HumanContact};
use super::{choice, find};
use crate::Doors;
use crate::api::body::read;
use crate::api::shape::read_json;
use crate::dialects::vendor::Known;

/// The action that a question to a person is.
pub(super) const CONTACT_ACTION: &str = "contact_human";
/// Where what belongs to HumanLayer's form stands in the context.
pub(super) const CONTEXT: &str = "humanlayer";
/// Below which name an argument stands that came without one.
pub(super) const ARGUMENT: &str = "argument";
/// The longest id that a client may give a call, in bytes.
const CALL_ID_BYTES_MAX: usize = 255;
/// The letters that a Python run id ends in, after a hyphen.
const PYTHON_RUN_CHARS: usize = 11;
/// The same in TypeScript, where they are hexadecimal.
const TYPESCRIPT_RUN_CHARS: usize = 8;
/// What the approver reads of a call that shows no arguments. A part of what makes two calls the same: it stays as it is.
const ARGUMENTS_HIDDEN: &str = "WARNING: no arguments are visible. HumanLayer's client sends only keyword arguments; what \
     was passed by position can't be seen here and runs all the same. Deny this if you don't know the arguments.";
/// What the approver reads of a question, likewise.
const HOW_TO_ANSWER: &str = "A question to a person, not a request for permission. To answer it, approve and write the answer \
     as the comment. To refuse an answer, deny it with the reason.";

/// What of HumanLayer's an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A call of a function.
    Call,
    /// A question to a person.
    Contact,
}

impl Kind {
    /// As the context and errors name it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Call => "function_call",
            Self::Contact => "human_contact",
        }
    }

    /// The idempotency key of the id that a client gave; of a fixed form, whatever that id is.
    pub(super) fn key(self, call_id: &str) -> String {
        format!(
            "humanlayer.{}.{}",
            self.word(),
            hex::encode(Sha256::digest(call_id))
        )
    }
}

pub(super) async fn function_call(
    known: Known<Fault>,
    State(doors): State<Doors>,
    request: Request,
) -> Result<Response, Fault> {
    let (call, state): (FunctionCall, _) = body(request).await?;
    let spec = call.spec;
    let mut more = context(Kind::Call, &call.call_id, spec.channel, state)?;
    let options = spec.reject_options;
    choice::check(options.as_deref().unwrap_or_default())
        .map_err(|why| Fault::invalid("/spec/reject_options", why))?;
    more.extend(options.map(|options| ("reject_options".to_owned(), json!(options))));
    let inputs = match spec.kwargs {
        Value::Object(named) => named,
        Value::Null => Map::new(),
        alone => {
            more.insert("single_argument".to_owned(), json!(true));
            Map::from_iter([(ARGUMENT.to_owned(), alone)])
        }
    };
    let hidden = inputs.is_empty();
    more.insert("arguments_visible".to_owned(), json!(!hidden));
    let action = Action {
        inputs,
        ..asking(
            spec.function,
            &call.run_id,
            hidden.then_some(ARGUMENTS_HIDDEN),
            more,
        )
    };
    submit(
        &doors,
        &known.caller,
        Kind::Call,
        &call.run_id,
        &call.call_id,
        action,
    )
    .await
}

pub(super) async fn human_contact(
    known: Known<Fault>,
    State(doors): State<Doors>,
    request: Request,
) -> Result<Response, Fault> {
    let (contact, state): (HumanContact, _) = body(request).await?;
    let spec = contact.spec;
    let more = context(Kind::Contact, &contact.call_id, spec.channel, state)?;
    let options = spec.response_options;
    choice::check(options.as_deref().unwrap_or_default())
        .map_err(|why| Fault::invalid("/spec/response_options", why))?;
    let mut inputs = Map::from_iter([("msg".to_owned(), json!(spec.msg))]);
    inputs.extend(spec.subject.map(|subject| ("subject".to_owned(), json!(subject))));
    inputs.extend(options.map(|options| ("response_options".to_owned(), json!(options))));
    let action = Action {
        inputs,
        ..asking(
            CONTACT_ACTION.to_owned(),
            &contact.run_id,
            Some(HOW_TO_ANSWER),
            more,
        )
    };
    submit(
        &doors,
        &known.caller,
        Kind::Contact,
        &contact.run_id,
        &contact.call_id,
        action,
    )
    .await
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<(T, Option<String>), Fault> {
    let bytes = read(request, BODY_BYTES_MAX).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Fault::invalid("", "the body is not UTF-8"))?;
    let (text, state) = lift_state(text);
    Ok((read_json(text.as_bytes())?, state))
}

/// What must come back to the client and has no place of its own in an action. People see it, but for the credential.
fn context(
    kind: Kind,
    call_id: &str,
    channel: Option<Map<String, Value>>,
    state: Option<String>,
) -> Result<Map<String, Value>, Fault> {
    if call_id.is_empty() || call_id.len() > CALL_ID_BYTES_MAX {
        let why = format!("a call_id has 1 to {CALL_ID_BYTES_MAX} bytes");
        return Err(Fault::invalid("/call_id", why));
    }
    let mut more = Map::from_iter([
        ("kind".to_owned(), json!(kind.word())),
        ("call_id".to_owned(), json!(call_id)),
    ]);
    if let Some(mut channel) = channel {
        if channel
            .keys()
            .any(|name| matches!(name.as_str(), "all_of" | "any_of"))
        {
            let why = "several approvers are not named by the channel here; give a policy for this function a quorum";
            return Err(Fault::invalid("/spec/channel", why));
        }
        forget_tokens(&mut channel);
        more.insert("channel".to_owned(), Value::Object(channel));
    }
    more.extend(state.map(|state| ("state".to_owned(), json!(state))));
    Ok(more)
}

/// A live credential, which nothing here needs: it goes no further than this.
fn forget_tokens(channel: &mut Map<String, Value>) {
    channel.remove("bot_token");
    for below in channel.values_mut().filter_map(Value::as_object_mut) {
        forget_tokens(below);
    }
}

fn asking(name: String, run_id: &str, description: Option<&str>, more: Map<String, Value>) -> Action {
    let trace = Trace {
        run_id: Some(run_id.to_owned()),
        ..Trace::default()
    };
    Action {
        context: Map::from_iter([(CONTEXT.to_owned(), Value::Object(more))]),
        claims: Claims {
            description: description.map(str::to_owned),
            trace: Some(trace),
            ..Claims::default()
        },
        require_approval: true,
        ..Action::named(name)
    }
}

async fn submit(
    doors: &Doors,
    caller: &Caller,
    kind: Kind,
    run_id: &str,
    call_id: &str,
    action: Action,
) -> Result<Response, Fault> {
    let agent = match caller.principal {
        Principal::Application(_) => Some(agent_of_run(run_id).to_owned()),
        Principal::Agent(_) | Principal::Operator { .. } | Principal::Automation(_) => None,
    };
    let submit = Submit {
        agent,
        ..Submit::of(action)
    };
    let asked = Seen::asked(kind, &submit.action);
    let key = kind.key(call_id);
    match doors.engine().submit(caller, submit, Some(&key)).await {
        Ok(submitted) => {
            let view = find::seen(doors, caller, kind, call_id, submitted.action_id, Held::No).await?;
            Ok(show::answer(&view))
        }
        // A process that begins anew has another run, and goes on with the calls that it made.
        Err(EngineError::IdempotencyMismatch) => {
            let first = find::find(doors, caller, kind, call_id).await?;
            let view = find::seen(doors, caller, kind, call_id, first, Held::No).await?;
            if asked.is_some_and(|asked| view.asks_the_same(&asked)) {
                Ok(show::answer(&view))
            } else {
                Err(EngineError::IdempotencyMismatch.into())
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The agent in a run id that a client made up: the clients put random letters behind its name.
fn agent_of_run(run_id: &str) -> &str {
    let cut = |letters: usize, fits: fn(&u8) -> bool| {
        let (name, end) = run_id.split_at_checked(run_id.len().checked_sub(letters + 1)?)?;
        let random = end.strip_prefix('-')?;
        (!name.is_empty() && random.as_bytes().iter().all(fits)).then_some(name)
    };
    cut(TYPESCRIPT_RUN_CHARS, u8::is_ascii_hexdigit)
        .or_else(|| {
            cut(PYTHON_RUN_CHARS, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
            })
        })
        .unwrap_or(run_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_found_in_the_run_ids_that_clients_make() {
        for (run, agent) in [
            ("support-bot-Ab3_xYz-9Qw", "support-bot"),
            ("agent-1a2b3c4d", "agent"),
            ("support-bot", "support-bot"),
            ("-1a2b3c4d", "-1a2b3c4d"),
            ("", ""),
            ("é-1a2b3c4d", "é"),
        ] {
            assert_eq!(agent_of_run(run), agent, "{run}");
        }
    }

    #[test]
    fn no_token_goes_on() {
        let mut channel = json!({"slack": {"bot_token": "xoxb", "channel_or_user_id": "C1"}, "bot_token": 1});
        forget_tokens(channel.as_object_mut().unwrap());
        assert_eq!(channel, json!({"slack": {"channel_or_user_id": "C1"}}));
    }
}
