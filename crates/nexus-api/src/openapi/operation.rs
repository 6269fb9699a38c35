//! One operation of the document: what the table of operations is written in.

use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{
    ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, SecurityRequirement,
};
use utoipa::{IntoParams, ToSchema};

use crate::error::ErrorBody;

pub(super) const SESSION: &str = "session";
pub(super) const COOKIE: &str = "cookie";
pub(super) const API_KEY: &str = "api_key";
pub(super) const SIGNATURE: &str = "signature";

const JSON: &str = "application/json";

/// Failures that many operations have.
const FAILURES: [(u16, &str); 11] = [
    (400, "The body is not JSON, or broke off."),
    (
        401,
        "The credential, or the signature, is missing or not accepted.",
    ),
    (
        403,
        "Not for this credential, not for this person, or not from a page of another site.",
    ),
    (408, "The body did not arrive in time."),
    (413, "The body is too long, or holds too many values."),
    (415, "The body is not `application/json`."),
    (421, "The server does not go by the name in `Host`."),
    (
        422,
        "The request is JSON of another shape, or says what cannot be: `field` names it.",
    ),
    (
        429,
        "A limit is reached: `Retry-After` says how long to wait.",
    ),
    (
        500,
        "A defect in Nexus: `details.request_id` finds it in the log.",
    ),
    (
        503,
        "Not at the moment: `Retry-After` says how long to wait.",
    ),
];

/// The failures that many operations have, by status.
pub(super) fn failures() -> impl Iterator<Item = (String, RefOr<Response>)> {
    FAILURES.iter().map(|(status, description)| {
        let error = Ref::from_schema_name(ErrorBody::name());
        let content = ContentBuilder::new().schema(Some(error)).build();
        let response = ResponseBuilder::new().description(*description);
        let response = response.content(JSON, content).build();
        (status.to_string(), response.into())
    })
}

/// The callers that an operation takes.
#[derive(Clone, Copy)]
pub(super) enum Who {
    /// Anybody.
    Anyone,
    /// Whoever is signed in.
    Session,
    /// Whoever is signed in, with a fresh signature over this request.
    Signed,
    /// Whoever is signed in, and a program whose API key has this scope.
    Scope(&'static str),
}

type Named = (String, RefOr<Schema>);

/// An operation, with the schemas that it refers to.
pub(super) struct Described {
    pub(super) method: HttpMethod,
    pub(super) path: &'static str,
    pub(super) operation: Operation,
    pub(super) schemas: Vec<Named>,
}

impl Described {
    pub(super) fn new(
        (method, path): (HttpMethod, &'static str),
        who: Who,
        id: &str,
        summary: &str,
    ) -> Self {
        let path_parameters = path.split('/').filter_map(|part| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            let schema = ObjectBuilder::new().schema_type(Type::String);
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(schema));
            Some(parameter.build())
        });
        let path_parameters: Vec<Parameter> = path_parameters.collect();
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary))
            .tag(tag(path))
            .securities(Some(securities(who)))
            .parameters((!path_parameters.is_empty()).then_some(path_parameters));
        let described = Self {
            method,
            path,
            operation: operation.build(),
            schemas: Vec::new(),
        };
        let described = match who {
            Who::Anyone => described,
            Who::Session | Who::Signed | Who::Scope(_) => described.fails(401).fails(403),
        };
        described.fails(421).fails(429).fails(500).fails(503)
    }

    /// Parameters of the URL.
    pub(super) fn query<Q: IntoParams>(mut self) -> Self {
        let parameters = Q::into_params(|| Some(ParameterIn::Query));
        let all = self.operation.parameters.get_or_insert_default();
        all.extend(parameters.into_iter().map(Into::into));
        self.fails(422)
    }

    /// A header of the request that may be there.
    pub(super) fn header(mut self, name: &str, values: &[&str], description: &str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(values.iter().copied()));
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema));
        let all = self.operation.parameters.get_or_insert_default();
        all.push(parameter.build().into());
        self
    }

    /// The body of the request.
    pub(super) fn body<T: ToSchema>(mut self) -> Self {
        let schema = self.schema::<T>();
        let body = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content(JSON, ContentBuilder::new().schema(Some(schema)).build());
        self.operation.request_body = Some(body.build().into());
        [400, 408, 413, 415, 422]
            .into_iter()
            .fold(self, Self::fails)
    }

    /// An answer of this status.
    pub(super) fn answers<T: ToSchema>(self, status: u16, description: &str) -> Self {
        self.sends::<T>(status, JSON, description)
    }

    /// Adds the outcome of a command, with data of this type.
    pub(super) fn outcome<T: ToSchema>(mut self) -> Self {
        let data = self.schema::<T>();
        self.with_outcome(data)
    }

    /// Adds the outcome of a command, with a list of this type.
    pub(super) fn outcomes<T: ToSchema>(mut self) -> Self {
        let items = self.schema::<T>();
        self.with_outcome(ArrayBuilder::new().items(items))
    }

    fn with_outcome(self, data: impl Into<RefOr<Schema>>) -> Self {
        let text = |description: &str| {
            let text = ObjectBuilder::new().schema_type(Type::String);
            text.description(Some(description))
        };
        let outcome = ObjectBuilder::new()
            .property("command", text("The command."))
            .property("message", text("What happened, for people."))
            .property("data", data)
            .required("command")
            .required("message")
            .required("data");
        self.response(200, JSON, "What came of it.", outcome)
    }

    /// An answer in another form than JSON.
    pub(super) fn sends<T: ToSchema>(mut self, status: u16, kind: &str, about: &str) -> Self {
        let schema = self.schema::<T>();
        self.response(status, kind, about, schema)
    }

    /// An answer that is no JSON.
    pub(super) fn text(self, status: u16, kind: &str, about: &str) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String);
        self.response(status, kind, about, text)
    }

    /// Server-Sent Events, whose `data` is JSON. A reader of events sees it as a text; what the text
    /// holds is described by `T`, one object of the event's name and its data.
    pub(super) fn events<T: ToSchema>(mut self, about: &str) -> Self {
        self.schema::<T>();
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let event = ObjectBuilder::new()
            .property("event", text())
            .property("data", text().content_media_type(JSON))
            .required("event")
            .required("data");
        self.response(200, "text/event-stream", about, event)
    }

    /// A failure of this status, for a reason of this operation.
    pub(super) fn fails_when(self, status: u16, description: &str) -> Self {
        self.answers::<ErrorBody>(status, description)
    }

    /// A failure of this status, for a reason that many operations have.
    pub(super) fn fails(mut self, status: u16) -> Self {
        let response = Ref::new(format!("#/components/responses/{status}"));
        let responses = &mut self.operation.responses.responses;
        responses.insert(status.to_string(), response.into());
        self
    }

    fn response(
        mut self,
        status: u16,
        kind: &str,
        description: &str,
        schema: impl Into<RefOr<Schema>>,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content(kind, content);
        let responses = &mut self.operation.responses.responses;
        responses.insert(status.to_string(), response.build().into());
        self
    }

    /// Refers to a type.
    fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(name).into()
    }
}

fn securities(who: Who) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let signed = |name: &str| SecurityRequirement::new(name, none).add(SIGNATURE, none);
    match who {
        Who::Anyone => vec![SecurityRequirement::default()],
        Who::Session => [SESSION, COOKIE]
            .map(|it| SecurityRequirement::new(it, none))
            .into(),
        Who::Signed => [SESSION, COOKIE].map(signed).into(),
        Who::Scope(scope) => vec![
            SecurityRequirement::new(SESSION, none),
            SecurityRequirement::new(COOKIE, none),
            SecurityRequirement::new(API_KEY, [scope]),
        ],
    }
}

/// The part of the API that a path belongs to.
fn tag(path: &'static str) -> &'static str {
    let path = path.strip_prefix("/api/v1/").unwrap_or("server");
    let mut parts = path.split('/');
    match parts.next() {
        Some("admin") => "administration",
        Some("auth" | "sessions") => "sign-in",
        Some("identity" | "profile" | "keys" | "usage" | "export" | "commands") => "account",
        Some("chat" | "runs" | "messages") => "conversation",
        Some("models" | "tools") => "models and tools",
        _ => "server",
    }
}
