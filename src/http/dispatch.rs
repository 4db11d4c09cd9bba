//! Builds the router from the table of routes: authentication, limits, roles, logging and security headers for every route.

use std::{future::ready, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawPathParams, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header},
    routing::on,
};
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;
use tracing::{error, info};

use super::{
    Api, Server,
    auth::{self, Caller},
    call::{Call, set_default},
    openapi,
    problem::{Kind, Problem},
    route::{Access, Route},
    routes,
};

/// The header that carries the correlation id, in requests and responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum size of a client's correlation id, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// The router for `api`, made only from the table of routes.
pub fn router(api: Api) -> Router {
    let table = routes::table();
    let document = openapi::document(&table).to_string();
    let server = Arc::new(Server {
        api,
        meters: super::meters::Meters::default(),
        keys: crate::services::bookings::RequestKeys::default(),
        document,
    });
    let mut router = Router::new();
    for route in table {
        let (route, server) = (Arc::new(route), server.clone());
        let (path, filter) = (route.path, route.verb.filter());
        let handle = move |request: Request| dispatch(server.clone(), route.clone(), request);
        router = router.route(path, on(filter, handle));
    }
    let (unknown, wrong) = (server.clone(), server);
    router
        .fallback(move |request: Request| ready(refuse(&unknown, &request, Kind::NotFound)))
        .method_not_allowed_fallback(move |request: Request| ready(refuse(&wrong, &request, Kind::MethodNotAllowed)))
}

/// What is logged and counted about a request.
struct Entry {
    began: DateTime<Utc>,
    request: String,
    method: Method,
    route: &'static str,
    caller: Option<Caller>,
}

impl Entry {
    fn new(server: &Server, request: &Request, route: &'static str) -> Self {
        let clock = server.journal.clock();
        let began = clock.now();
        let id = request_id(request.headers()).unwrap_or_else(|| clock.event_id().to_string());
        Self { began, request: id, method: request.method().clone(), route, caller: None }
    }
}

async fn dispatch(server: Arc<Server>, route: Arc<Route>, request: Request) -> Response<Body> {
    let mut entry = Entry::new(&server, &request, route.path);
    let id = entry.request.clone();
    let run = run(&server, &route, request, &id, &mut entry.caller);
    // A panic in a handler becomes an error response instead of a closed connection.
    let response = match timeout(server.limits.request_time, AssertUnwindSafe(run).catch_unwind()).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(problem))) => problem.respond(&id),
        Ok(Err(_)) => {
            error!(correlation = id, route = route.path, "A handler panicked");
            Problem::new(Kind::Internal, "internal error; see the log").respond(&id)
        }
        Err(_) => Problem::new(Kind::Unavailable, "the request timed out; retry it with the same Idempotency-Key")
            .respond(&id),
    };
    finish(&server, &entry, response)
}

async fn run(
    server: &Arc<Server>,
    route: &Route,
    request: Request,
    id: &str,
    caller: &mut Option<Caller>,
) -> Result<Response<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    match route.access {
        Access::Closed => return Err(Problem::new(Kind::Forbidden, "nobody may use this route")),
        Access::Open | Access::Signed(_) => {}
        Access::Roles(roles) => *caller = Some(auth::admit(server.tokens.as_ref(), &parts.headers, roles).await?),
    }
    let params = {
        use axum::extract::FromRequestParts as _;
        let raw = RawPathParams::from_request_parts(&mut parts, &()).await;
        let raw = raw.map_err(|_| Problem::new(Kind::Malformed, "the path is not UTF-8"))?;
        raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let body = read(body, &parts.headers, route.body_bytes_max, server.limits.body_time).await?;
    let call =
        Call { caller: caller.clone(), params, uri: parts.uri, headers: parts.headers, body, request: id.to_owned() };
    (route.handler)(server.clone(), call).await.map(super::call::Answer::respond)
}

/// The complete body, within the time limit and `max` bytes.
async fn read(body: Body, headers: &HeaderMap, max: usize, time: Duration) -> Result<Bytes, Problem> {
    let too_long = || Problem::new(Kind::TooLarge, format!("the body must not exceed {max} bytes"));
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return Err(too_long());
    }
    let collect = async {
        let mut stream = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Problem::new(Kind::Malformed, "the body is incomplete"))?;
            if whole.len() + chunk.len() > max {
                return Err(too_long());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(whole))
    };
    match timeout(time, collect).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(Kind::TooSlow, format!("the body took longer than {} s", time.as_secs()))),
    }
}

fn refuse(server: &Server, request: &Request, kind: Kind) -> Response<Body> {
    let entry = Entry::new(server, request, "(none)");
    let detail = match kind {
        Kind::MethodNotAllowed => "this path does not support that method; see the Allow header and /openapi.json",
        _ => "there is nothing at this path; see /openapi.json",
    };
    let response = Problem::new(kind, detail).respond(&entry.request);
    finish(server, &entry, response)
}

/// Logs and counts the request and adds headers. Paths, queries, bodies and tokens are not logged: they may contain personal data.
fn finish(server: &Server, entry: &Entry, mut response: Response<Body>) -> Response<Body> {
    let took = server.journal.clock().now() - entry.began;
    let ms = took.num_milliseconds();
    let status = response.status().as_u16();
    let (token, role) = entry.caller.as_ref().map_or(("-", "-"), |c| (c.token.as_str(), auth::name(c.role)));
    let (correlation, route, method) = (entry.request.as_str(), entry.route, entry.method.as_str());
    info!(method, route, status, ms, token, role, correlation, "{method} {route} {status}");
    server.meters.count(known_method(&entry.method), route, status, took);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&entry.request) {
        headers.insert(REQUEST_ID, id);
    }
    set_default(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_default(headers, header::CACHE_CONTROL, "no-store");
    set_default(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    set_default(headers, header::REFERRER_POLICY, "no-referrer");
    response
}

/// Unknown methods share one label: clients must not be able to add labels to the metrics.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The client's own request id, if it is safe to log and store.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~@-:".contains(&b);
    (!text.is_empty() && text.len() <= REQUEST_ID_BYTES_MAX && text.bytes().all(plain)).then(|| text.to_owned())
}
