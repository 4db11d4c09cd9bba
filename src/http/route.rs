//! One line of the table of routes: everything that is known about an address, in one place.

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

/// A method that we answer. `HEAD` is `Get` without the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads; changes nothing, ever.
    Get,
    /// Does something.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Destroys.
    Delete,
}

impl Verb {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// As axum writes it.
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

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody: what every route has until it says otherwise.
    Closed,
    /// Everybody: it tells nothing about anybody and changes nothing.
    Open,
    /// Whoever bears the mark of a sender we know: told in words for the documents.
    Signed(&'static str),
    /// Bearers of a token with one of these roles.
    Roles(&'static [Role]),
}

/// Makes a schema, and the schemas that it names.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What an answer looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// JSON of this schema.
    Json(SchemaOf),
    /// A text of this media type.
    Text(&'static str),
    /// A row of this read model.
    Row(&'static str),
    /// A page of rows of this read model.
    Page(&'static str),
}

type AnswerFuture = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;
/// What a route does.
pub type Handler = Arc<dyn Fn(Arc<Server>, Call) -> AnswerFuture + Send + Sync>;

/// A route.
#[derive(Clone)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path, variable parts in braces.
    pub path: &'static str,
    /// Its name in documents and generated clients.
    pub operation: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Who is let in.
    pub access: Access,
    /// Its query parameters.
    pub query: Option<SchemaOf>,
    /// Its body.
    pub body: Option<SchemaOf>,
    /// The largest body, in bytes.
    pub body_bytes_max: usize,
    /// Whether it takes an `Idempotency-Key`.
    pub keyed: bool,
    /// Its answers.
    pub answers: Vec<(Success, Shape)>,
    /// What it does.
    pub handler: Handler,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Route {
    /// A route that lets nobody in and answers nothing yet.
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

    /// Lets these in.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Lets bearers with these roles in.
    #[must_use]
    pub fn roles(self, roles: &'static [Role]) -> Self {
        self.access(Access::Roles(roles))
    }

    /// Takes these query parameters.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(schema_of::<T>);
        self
    }

    /// Takes this body.
    #[must_use]
    pub fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self
    }

    /// Takes bodies up to this size.
    #[must_use]
    pub fn body_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Takes an `Idempotency-Key`.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// Answers this, among others.
    #[must_use]
    pub fn answers<T: JsonSchema>(self, done: Success) -> Self {
        self.shaped(done, Shape::Json(schema_of::<T>))
    }

    /// Answers something of that shape, among others.
    #[must_use]
    pub fn shaped(mut self, done: Success, shape: Shape) -> Self {
        self.answers.push((done, shape));
        self
    }

    /// The names of the variable parts of the path.
    pub fn params(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
