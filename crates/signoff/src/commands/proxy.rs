//! `signoff call`: one HTTP request, made by Signoff with a credential that nobody here sees.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use signoff_api::Duration;
use signoff_api::action::VerdictKind;
use signoff_api::call::{CallAnswer, CallResponse, ProxyCall};
use signoff_api::execution::ExecutionStatus;

use crate::cli::Global;
use crate::connection::{Side, connect};
use crate::exit::Exit;
use crate::{fields, inert, output, show};

/// The longest that one request waits, in seconds.
const WAIT_MAX: u64 = 60;

const AFTER_HELP: &str = "\
The body of the answer goes to standard output, its status to standard error.
Exit codes: 0 the other side answered with 2xx or 3xx, 1 refused, failed, or it answered with 4xx or 5xx,
2 nobody decided in time, 3 misused or the server unreachable.

  signoff call POST https://api.stripe.com/v1/refunds --grant stripe-live --body 'charge=ch_1' \\
    -H 'content-type: application/x-www-form-urlencoded' --reason 'broken on arrival' --wait 10m";

/// What to call.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CallArgs {
    /// GET, POST, …
    method: String,
    /// Where to
    #[arg(value_name = "TARGET-URL")]
    target: String,
    /// Name of the stored credential to make it with
    #[arg(long, value_name = "NAME")]
    grant: Option<String>,
    /// A header, NAME: VALUE; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body as it is; `@FILE` for that of a file, `@-` for standard input
    #[arg(long, value_name = "TEXT", conflicts_with = "json_body")]
    body: Option<String>,
    /// The body as JSON, with its content type
    #[arg(long = "json-body", value_name = "JSON")]
    json_body: Option<String>,
    /// Why, in the agent's words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Name of the action it is part of [default: http. and the method]
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// What else to judge by: k=v or k:=JSON
    #[arg(long, value_name = "K=V", num_args = 1.., value_parser = fields::check)]
    context: Vec<String>,
    /// The agent it is for; an application's key needs one
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Ask a person even if policy would allow it
    #[arg(long)]
    require_approval: bool,
    /// How long to wait for people and for the answer
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    wait: Duration,
    /// The same key and call find the same call again, instead of making another one
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(crate) async fn run(global: &Global, args: CallArgs) -> anyhow::Result<Exit> {
    let client = connect(global, Side::Asker)?;
    let Some(mut left) = args.wait.seconds() else {
        bail!("`--wait never` is too long; give a span");
    };
    let key = args.idempotency_key.clone();
    let call = call(args)?;
    let mut step = left.min(WAIT_MAX);
    let mut answer = client.proxy_call(&call, Some(step), key.as_deref()).await?;
    while is_open(&answer) && left > step {
        left -= step;
        step = left.min(WAIT_MAX);
        let Some(id) = answer.execution_id.clone() else {
            break;
        };
        answer = client.execution_result(&id, Some(step)).await?;
    }
    if global.json {
        output::json(&answer)?;
    } else {
        tell(&answer)?;
    }
    Ok(exit(&answer))
}

fn call(args: CallArgs) -> anyhow::Result<ProxyCall> {
    let mut headers = BTreeMap::new();
    for header in args.headers {
        let (name, value) = header
            .split_once(':')
            .with_context(|| format!("`-H {header}`: write NAME: VALUE"))?;
        if headers
            .insert(name.trim().to_owned(), value.trim().to_owned())
            .is_some()
        {
            bail!("the header `{name}` is given twice");
        }
    }
    let json = args.json_body.as_deref().map(serde_json::from_str).transpose();
    let bytes = match args.body.as_deref() {
        Some(text) => Some(match text.strip_prefix('@') {
            Some(file) => bytes(file)?,
            None => text.as_bytes().to_vec(),
        }),
        None => None,
    };
    Ok(ProxyCall {
        grant: args.grant,
        method: args.method,
        url: args.target,
        headers: (!headers.is_empty()).then_some(headers),
        body_base64: bytes.map(|bytes| STANDARD.encode(bytes)),
        json: json.context("`--json-body` is no JSON")?,
        action: args.action,
        agent: args.agent,
        context: fields::object(&args.context)?,
        reason: args.reason,
        require_approval: args.require_approval.then_some(true),
        ..ProxyCall::default()
    })
}

fn bytes(file: &str) -> anyhow::Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).context("can't read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("can't read `{file}`"))
}

fn is_open(answer: &CallAnswer) -> bool {
    use ExecutionStatus as S;
    match answer.status {
        Some(status) => matches!(status, S::Ready | S::Executing),
        None => answer.verdict != VerdictKind::Denied,
    }
}

/// The body goes to standard output as it is: it is the caller's, like that of any other client.
fn tell(answer: &CallAnswer) -> anyhow::Result<()> {
    if !answer.dropped_headers.is_empty() {
        output::talk(&format!(
            "not sent: {}",
            inert::line(&answer.dropped_headers.join(", "))
        ));
    }
    if let Some(response) = &answer.response {
        let cut = if response.truncated {
            "; only the beginning of the body was kept"
        } else {
            ""
        };
        output::talk(&format!("{}{cut}", response.status));
        return body(response);
    }
    output::talk(&said(answer));
    Ok(())
}

fn body(response: &CallResponse) -> anyhow::Result<()> {
    let bytes = STANDARD
        .decode(&response.body_base64)
        .context("the server's answer is no Base64")?;
    if std::io::stdout().is_terminal() {
        // A terminal obeys what is written to it; a file or a pipe gets every byte.
        return output::data(&inert::lines(&String::from_utf8_lossy(&bytes)));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&bytes)?;
    Ok(out.flush()?)
}

/// Why there is no answer of the other side.
fn said(answer: &CallAnswer) -> String {
    use ExecutionStatus as S;
    let id = inert::line(answer.execution_id.as_deref().unwrap_or_default());
    let fault = answer
        .fault
        .map(|fault| format!(" ({fault})"))
        .unwrap_or_default();
    match answer.status {
        None if answer.verdict == VerdictKind::Denied => {
            format!("denied{}", show::because(answer.code, answer.reason.as_deref()))
        }
        None => {
            let page = inert::line(answer.approval_url.as_deref().unwrap_or_default());
            let unheard = answer.unheard.as_ref();
            let unheard = unheard.map(|unheard| format!("{}\n", inert::line(&show::unheard(unheard))));
            let unheard = unheard.unwrap_or_default();
            format!(
                "nobody has decided yet: {page}\n{unheard}its result, later: signoff executions result {id}"
            )
        }
        Some(S::Failed) => format!("the call was not made{fault}"),
        Some(S::Indeterminate) => {
            format!("nobody knows whether the call arrived{fault}; do not repeat it: a person settles {id}")
        }
        Some(S::Revoked) => {
            let because = answer
                .revoked
                .map(|because| format!(" ({because})"))
                .unwrap_or_default();
            format!("the permission was taken back{because}")
        }
        Some(S::Executed) => "the call ran; what came back is not known or was erased".to_owned(),
        Some(status) => format!("the call is {status}; its result, later: signoff executions result {id}"),
    }
}

fn exit(answer: &CallAnswer) -> Exit {
    match &answer.response {
        Some(response) if response.status < 400 => Exit::Ok,
        _ if is_open(answer) => Exit::TimedOut,
        _ => Exit::Refused,
    }
}

/// What a call came to, for `executions result`.
pub(crate) fn report(global: &Global, answer: &CallAnswer) -> anyhow::Result<Exit> {
    if global.json {
        output::json(answer)?;
    } else {
        tell(answer)?;
    }
    Ok(exit(answer))
}
