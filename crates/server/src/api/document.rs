//! What the API's description says beside its operations: the whole, how to sign in, and how every refusal looks.

use std::collections::BTreeMap;

use signoff_api::problem::{Code, FieldError, Problem};
use signoff_api::{PROBLEM_MEDIA_TYPE, Until, approval, stream};
use utoipa::OpenApi as _;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AllOf, Object, ObjectBuilder, Schema};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi, PathItem, Ref, RefOr, ResponseBuilder};

use super::principal::OPEN;

/// The extension of each operation that names its row of the authority table.
pub(crate) const AUTHORITY: &str = "x-signoff-operation";

const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";
const PROBLEM: &str = "Problem";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Signoff",
        description = "An approval gateway for AI agents: an agent says what it is about to do; policy allows, denies, \
            or asks a person; the agent goes on or stops. JSON in snake_case; times in RFC 3339 UTC; lists in pages \
            with cursors; unknown fields and parameters are refused; every refusal is a problem document with a \
            stable code.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    servers((url = "/", description = "This server")),
    // What only parameters, problems and the stream speak of is not found by itself.
    components(schemas(Problem, FieldError, Code, Until, approval::Order, stream::Notice)),
    tags(
        (name = "actions", description = "What an agent is about to do, and how it went."),
        (name = "executions", description = "One carrying-out of an allowed or approved action."),
        (name = "calls", description = "HTTP requests that Signoff makes, with credentials that agents never see."),
        (name = "approvals", description = "Requests for a human decision."),
        (name = "standing approvals", description = "Answers that people gave ahead: for a while, for so many uses."),
        (name = "stops", description = "The kill switch, for one agent, one grant, or everything."),
        (name = "policies", description = "The rules, their versions, and why one of them governs."),
        (name = "agents", description = "The principals that ask."),
        (name = "applications", description = "Keys that ask for several named agents."),
        (name = "grants", description = "Stored credentials that agents use without holding them."),
        (name = "operators", description = "People, their roles, and their personal tokens."),
        (name = "groups", description = "Groups of operators, for requirements to name."),
        (name = "channels", description = "How people and programs are told, and what became of it."),
        (name = "webhooks", description = "Channels of the kind webhook, by themselves: signed messages to programs."),
        (name = "audit", description = "The log, and whether it is intact."),
        (name = "stream", description = "What happens, as it happens."),
        (name = "workspace", description = "Where one is, and who."),
        (name = "server", description = "The server itself.")
    )
)]
struct Head;

/// The document before its operations.
pub(crate) fn head() -> OpenApi {
    let mut document = Head::openapi();
    let components = document.components.get_or_insert_default();
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An agent's or application's key, an operator's personal token, or the admin key.",
        ))
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(key));
    let header = ApiKeyValue::with_description("x-api-key", "The same key in another header.");
    components.add_security_scheme(API_KEY, SecurityScheme::ApiKey(ApiKey::Header(header)));
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(PROBLEM)))
        .build();
    let problem = ResponseBuilder::new()
        .description("What went wrong, and what to do next (RFC 9457)")
        .content(PROBLEM_MEDIA_TYPE, problem)
        .build();
    components.responses.insert(PROBLEM.to_owned(), RefOr::T(problem));
    document
}

/// Says once for all operations what holds for each.
pub(crate) fn complete(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        let parts = components.schemas.clone();
        for schema in components.schemas.values_mut() {
            if let RefOr::T(Schema::AllOf(all)) = schema {
                *schema = RefOr::T(Schema::Object(merged(all, &parts)));
            }
        }
    }
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            let problem = RefOr::Ref(Ref::from_response_name(PROBLEM));
            operation
                .responses
                .responses
                .insert("default".to_owned(), problem);
            let open = authority(operation).is_none_or(|word| word == OPEN);
            let none: [&str; 0] = [];
            let keys = [
                SecurityRequirement::new(BEARER, none),
                SecurityRequirement::new(API_KEY, none),
            ];
            operation.security = Some(if open { Vec::new() } else { keys.to_vec() });
        }
    }
}

/// A type that has the fields of others too, as one object: a part that refuses further fields would refuse those of
/// the other parts.
fn merged(all: &AllOf, parts: &BTreeMap<String, RefOr<Schema>>) -> Object {
    let mut whole = ObjectBuilder::new().description(all.description.clone()).build();
    for part in &all.items {
        let part = match part {
            RefOr::Ref(reference) => reference
                .ref_location
                .rsplit('/')
                .next()
                .and_then(|name| parts.get(name)),
            whole @ RefOr::T(_) => Some(whole),
        };
        if let Some(RefOr::T(Schema::Object(part))) = part {
            whole.properties.extend(part.properties.clone());
            whole.required.extend(part.required.iter().cloned());
        }
    }
    whole
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ];
    all.into_iter().filter_map(Option::as_mut)
}

fn authority(operation: &Operation) -> Option<&str> {
    operation.extensions.as_ref()?.get(AUTHORITY)?.as_str()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_operation_has_a_row_words_and_a_name_of_its_own() {
        let mut document = crate::api::openapi();
        let mut names = HashSet::new();
        for (path, item) in &mut document.paths.paths {
            for operation in operations(item) {
                assert!(authority(operation).is_some(), "{path} names no operation");
                assert!(operation.summary.is_some(), "{path} has no words");
                let name = operation.operation_id.clone().unwrap_or_default();
                assert!(names.insert(name.clone()), "{path}: {name} is taken");
            }
        }
        assert!(names.len() > 50, "{}", names.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let text = crate::api::openapi().to_json().unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let references = text
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
