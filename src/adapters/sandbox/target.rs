//! Parses a request's URL, for every model.

use axum::http::Uri;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

/// A parsed URL. Path segments and query are percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host, with port if given: `127.0.0.1:4711`, `www.googleapis.com`.
    pub host: String,
    /// The path as sent, for matching fault rules.
    pub path: String,
    /// The decoded path segments.
    pub segments: Vec<String>,
    /// The decoded query, in the order sent.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// Parses `url`; `None` unless it is an absolute URL with a host.
    pub fn of(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let host = host(&url)?;
        let segments = url.path().split('/').filter(|s| !s.is_empty()).map(decoded).collect();
        let query = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Some(Self { host, path: url.path().to_owned(), segments, query })
    }

    /// The host of `url`, as [`Target::host`] has it.
    pub fn host_of(url: &str) -> Option<String> {
        host(&url.parse().ok()?)
    }

    /// The path's segments, borrowed, to match on.
    pub fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The first value of a query parameter.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a query parameter.
    pub fn query_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}

fn host(url: &Uri) -> Option<String> {
    Some(url.authority().filter(|_| url.scheme().is_some())?.as_str().to_owned())
}

/// A path segment, percent-decoded. A `+` stays a plus: only queries and forms write a space so.
fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_comes_apart_decoded() {
        let target = Target::of("http://127.0.0.1:80/calendar/v3/calendars/a%40b%2Bc+d/events?q=x+y&k=1&k=2").unwrap();
        assert_eq!(target.parts(), ["calendar", "v3", "calendars", "a@b+c+d", "events"]);
        assert_eq!(target.query_value("q"), Some("x y"));
        assert_eq!(target.query_values("k").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(Target::of("/no/host"), None);
        assert_eq!(Target::of("http://h/%zz%4").unwrap().parts(), ["%zz%4"]);
        assert_eq!(Target::of("http://h/%+1%C3%BC%2f").unwrap().parts(), ["%+1ü/"], "a sign is no digit");
    }
}
