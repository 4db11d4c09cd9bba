//! One row of the route table: everything about one endpoint.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::routing::MethodFilter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    Server,
    call::{Answer, Call},
    problem::{Problem, Success},
};
use crate::ports::tokens::Role;

pub use crate::services::bookings::BODY_BYTES_MAX;

/// An HTTP method. `HEAD` is `Get` without the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads; never changes anything.
    Get,
    /// Creates or acts.
    Post,
    /// Replaces a resource.
    Put,
    /// Changes part of a resource.
    Patch,
    /// Deletes a resource.
    Delete,
}

impl Verb {
    /// The method's name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method's filter in axum.
    pub fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody: the default of every route.
    Closed,
    /// Everyone: the route reveals nothing about anyone and changes nothing.
    Open,
    /// Senders authenticated by a signature or channel token; the text describes it in the documents.
    Signed(&'static str),
    /// Callers with a token that has one of these roles.
    Roles(&'static [Role]),
}

/// Generates a schema, and the schemas it refers to.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The shape of a response body.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// JSON of this schema.
    Json(SchemaOf),
    /// Text of this media type.
    Text(&'static str),
    /// A row of this read model.
    Row(&'static str),
    /// A page of rows of this read model.
    Page(&'static str),
}

type AnswerFuture = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;
/// The function that handles a route.
pub type Handler = Arc<dyn Fn(Arc<Server>, Call) -> AnswerFuture + Send + Sync>;

/// An endpoint.
#[derive(Clone)]
pub struct Route {
    /// The HTTP method.
    pub verb: Verb,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Its `operationId` in OpenAPI and generated clients.
    pub operation: &'static str,
    /// A one-sentence summary.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Its query parameters.
    pub query: Option<SchemaOf>,
    /// Its body.
    pub body: Option<SchemaOf>,
    /// Maximum size of the body, in bytes.
    pub body_bytes_max: usize,
    /// Whether it accepts an `Idempotency-Key`.
    pub keyed: bool,
    /// Its successful responses.
    pub answers: Vec<(Success, Shape)>,
    /// Its handler.
    pub handler: Handler,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Route {
    /// A route that nobody may call and that has no responses yet.
    pub fn new<F, Fut>(
        verb: Verb,
        path: &'static str,
        operation: &'static str,
        summary: &'static str,
        handler: F,
    ) -> Self
    where
        F: Fn(Arc<Server>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        Self {
            verb,
            path,
            operation,
            summary,
            access: Access::Closed,
            query: None,
            body: None,
            body_bytes_max: BODY_BYTES_MAX,
            keyed: false,
            answers: Vec::new(),
            handler: Arc::new(move |server, call| Box::pin(handler(server, call))),
        }
    }

    /// Sets who may call it.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Allows tokens with these roles.
    #[must_use]
    pub fn roles(self, roles: &'static [Role]) -> Self {
        self.access(Access::Roles(roles))
    }

    /// Accepts these query parameters.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(schema_of::<T>);
        self
    }

    /// Accepts this body.
    #[must_use]
    pub fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self
    }

    /// Accepts bodies up to this size.
    #[must_use]
    pub fn body_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Accepts an `Idempotency-Key`.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// Adds a JSON response.
    #[must_use]
    pub fn answers<T: JsonSchema>(self, done: Success) -> Self {
        self.shaped(done, Shape::Json(schema_of::<T>))
    }

    /// Adds a response of this shape.
    #[must_use]
    pub fn shaped(mut self, done: Success, shape: Shape) -> Self {
        self.answers.push((done, shape));
        self
    }

    /// The names of the path parameters.
    pub fn params(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
