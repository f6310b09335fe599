//! The OpenAPI document: what the handlers' annotations do not say for themselves.

use std::collections::{HashMap, HashSet};

use axum::http::Method;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey as SecurityApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref};
use utoipa::openapi::{OpenApi, RefOr, Required, Response, ResponseBuilder};

use crate::http::problem::ProblemBody;

/// Title, introduction, tags and the shapes that are used everywhere.
pub fn frame() -> OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        info(title = "Meterbase", description = include_str!("openapi.md")),
        components(schemas(ProblemBody)),
        tags(
            (name = "Readings", description = "Readings in, and raw readings out"),
            (name = "Devices", description = "What devices send in their own language, what they are told to do, and the profiles of their products"),
            (name = "Usage", description = "Rollups by hour, day and month at every level"),
            (name = "Events", description = "What happened, and the webhooks that are told of it"),
            (name = "Alerts", description = "What providers want to be told of their figures"),
            (name = "Registry", description = "Providers, customers, groups, devices and metrics"),
            (name = "Keys", description = "API keys, tokens for portals, and who changed what"),
            (name = "Service", description = "Health, metrics and documentation"),
        )
    )]
    struct Frame;
    Frame::openapi()
}

/// Paths without a key and without a provider.
const OPEN_TAG: &str = "Service";

const SESSION: &str = "A browser that signed in with `POST /v1/session`; over TLS the name is `__Host-meterbase_session`. What changes \
    something needs the header `X-Meterbase-Request: 1` too.";

/// Adds what holds for every operation: the key, the provider of admin keys, and the problems.
pub fn finish(mut document: OpenApi) -> OpenApi {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key: `mb_...`")).build();
    let cookie = ApiKeyValue::with_description("meterbase_session", SESSION);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", SecurityScheme::Http(scheme));
    components.add_security_scheme("session", SecurityScheme::ApiKey(SecurityApiKey::Cookie(cookie)));
    for (path, item) in &mut document.paths.paths {
        let of_a_provider = !path.starts_with("/v1/providers");
        for (method, operation) in operations_mut(item) {
            if operation.tags.iter().flatten().any(|tag| tag == OPEN_TAG) {
                continue;
            }
            operation.operation_id = Some(operation_id(method, path));
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter
                    && parameter.parameter_in == ParameterIn::Path
                    && parameter.name == "key"
                {
                    parameter.schema = Some(key_or_id().into());
                }
            }
            let is_open = operation.security.is_some();
            if !is_open {
                operation.security =
                    Some(["key", "session"].map(|name| SecurityRequirement::new(name, Vec::<String>::new())).to_vec());
                if of_a_provider {
                    operation.parameters.get_or_insert_default().push(RefOr::T(provider_parameter()));
                }
            }
            add_problems(operation, is_open);
        }
    }
    document
}

/// The query parameters that each operation has.
pub struct KnownParameters(HashMap<(Method, String), HashSet<String>>);

impl KnownParameters {
    pub fn of(document: &OpenApi) -> Self {
        let mut known = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in operations(item) {
                let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
                    RefOr::T(parameter) => Some(parameter),
                    RefOr::Ref(_) => None,
                });
                let names = parameters.filter(|p| p.parameter_in == ParameterIn::Query).map(|p| p.name.clone());
                known.insert((method, path.clone()), names.collect());
            }
        }
        Self(known)
    }

    /// Whether the operation has this query parameter. Methods that are not documented have whatever is sent.
    pub fn has(&self, method: &Method, path: &str, name: &str) -> bool {
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        self.0.get(&(method, path.to_owned())).is_none_or(|names| names.contains(name))
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, operation)))
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [("get", &mut item.get), ("put", &mut item.put), ("post", &mut item.post), ("delete", &mut item.delete)];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// A name for clients that are made from the document: `put_customers_key`. Handlers of several files share theirs.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/v1").replace(['{', '}'], "");
    method.to_owned() + &path.replace('/', "_")
}

fn provider_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("provider")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("Key or id of the provider to act in. Admin keys must give it; other keys act in their own."))
        .schema(Some(key_or_id()))
        .build()
}

/// Keys and ids of entities look alike, so that one schema does for both.
fn key_or_id() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._:~-]{1,128}$"))
}

/// Problems that every operation can answer with, unless it says more about them itself; an open one needs no key.
fn add_problems(operation: &mut Operation, is_open: bool) {
    let common = [
        ("400", "A parameter or the body cannot be read"),
        ("401", "No good API key"),
        ("403", "The key's scope does not allow this"),
        ("404", "Something named does not exist for this key"),
        ("503", "The database is away; try again after `Retry-After`"),
    ];
    let with_body = [
        ("413", "The body is too large"),
        ("415", "The body's format is not supported"),
        ("422", "The body breaks the rules; `errors` names the places"),
    ];
    let with_body = with_body.into_iter().filter(|_| operation.request_body.is_some());
    let common = common.into_iter().filter(|(status, _)| !is_open || !["401", "403", "404"].contains(status));
    for (status, description) in common.chain(with_body) {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
    operation.responses.responses.entry("500".to_owned()).or_insert_with(|| RefOr::T(problem("The server failed")));
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
