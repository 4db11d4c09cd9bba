//! Checks of an installation: each reports what was found and, if something is wrong, what to do.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;

use super::health::{self, Status};
use crate::{
    domain::{
        failure::{CallFailure, FailureClass},
        ids::CalendarKey,
        program_version::ProgramVersion,
    },
    ports::{
        projection_store::ProjectionStore,
        provider::CalendarProvider,
        publisher,
        source::BookingSource,
        upkeep::{Finding, Upkeep},
    },
    services::{
        current_failures::CurrentFailures,
        journal::Journal,
        models::project::Projector,
        sync::{calendars::Calendars, routing::Routing},
    },
};

/// A booking that no source has: requesting it tests the credential and changes nothing.
const NO_BOOKING: &str = "syncledger-doctor";
/// Clock difference that makes signed requests fail: most servers tolerate five minutes.
const SKEW_FAIL: TimeDelta = TimeDelta::minutes(4);
/// Clock difference that can decide wrongly which of two changes was last.
const SKEW_WARN: TimeDelta = TimeDelta::seconds(2);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All is well.
    Ok,
    /// Works, but could be improved.
    Warn,
    /// Does not work.
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// The result.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; empty if all is well.
    pub fix: String,
}

impl Check {
    /// A passed check.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), fix: String::new() }
    }

    /// A check that works but could be improved.
    pub fn warn(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Warn, found: found.into(), fix: fix.into() }
    }

    /// A failed check.
    pub fn fail(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Fail, found: found.into(), fix: fix.into() }
    }
}

/// Checks whether providers can reach us at the public URL.
pub fn public_url(url: Option<&str>) -> Check {
    const NAME: &str = "public_url";
    let Some(url) = url else {
        let fix = "set public_url to this service's public https address, to receive changes within seconds";
        return Check::warn(NAME, "not set: calendars and sources are only polled", fix);
    };
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str).unwrap_or_default().to_owned();
    let local = host == "localhost" || host.starts_with("127.") || host == "[::1]" || host.ends_with(".local");
    if local {
        return Check::warn(
            NAME,
            format!("{url} is this machine: no provider can reach it"),
            "set it to the public address",
        );
    }
    if parsed.is_none_or(|url| url.scheme() != "https") {
        return Check::fail(
            NAME,
            format!("{url} is not https: Google refuses to notify it"),
            "put a TLS proxy in front, and write https://",
        );
    }
    Check::ok(NAME, format!("{url} (notifications go to {url}/webhook/…)"))
}

/// Judges a clock difference.
pub fn skew(whose: &str, ahead: Result<TimeDelta, String>) -> Check {
    let name = format!("clock compared with {whose}");
    match ahead {
        Err(why) => Check::warn(name, format!("unknown: {why}"), "check the network, HTTPS_PROXY and SSL_CERT_FILE"),
        // An HTTP date has whole seconds, so half a second is not a difference.
        Ok(ahead) if (ahead - TimeDelta::milliseconds(500)).abs() <= SKEW_WARN => Check::ok(name, "in sync"),
        Ok(ahead) => {
            let seconds = ahead.num_seconds();
            let way = if seconds >= 0 { "ahead" } else { "behind" };
            let found = format!("{} s {way}", seconds.abs());
            let fix = "set the machine's clock (chrony or ntpd)";
            if ahead.abs() > SKEW_FAIL { Check::fail(name, found, fix) } else { Check::warn(name, found, fix) }
        }
    }
}

/// The version of the program, and the least one that the ledger requires.
pub fn program(version: ProgramVersion, required: Option<ProgramVersion>) -> Check {
    let required = required.map_or_else(
        || "the ledger can be served by every version".to_owned(),
        |least| format!("the ledger needs {least} or later"),
    );
    Check::ok("program", format!("this is {version}; {required}"))
}

/// Checks the ledger and the read models.
pub async fn stores(journal: &Journal, models: &dyn ProjectionStore, projector: &Projector) -> Vec<Check> {
    // Failures of a service's loops are known only to that process.
    let report = health::health(journal, models, projector, &CurrentFailures::default(), None).await;
    let mut checks = Vec::new();
    if let Some(end) = report.ledger_end {
        checks.push(Check::ok("ledger", format!("{end} events")));
    }
    match report.status {
        Status::Ok => {
            let lag =
                format!("{} read models, at most {} events behind", report.projections.len(), report.lag_events_max);
            checks.push(Check::ok("read models", lag));
        }
        Status::Degraded => {
            let fix = "start the service, or see what needs you: attempts dead, approvals list, held list";
            checks.extend(report.reasons.into_iter().map(|reason| Check::warn("state", reason, fix)));
        }
        Status::Failing => {
            checks.extend(
                report.reasons.into_iter().map(|reason| Check::fail("stores", reason, "check disk and permissions")),
            );
        }
    }
    checks
}

/// Checks how the ledger's database is configured.
pub async fn set_up(database: &dyn Upkeep) -> Vec<Check> {
    let findings = database.examine().await.into_iter();
    let check = |it: Finding| match it.fix {
        None => Check::ok(it.name, it.found),
        Some(fix) => Check::warn(it.name, it.found, fix),
    };
    findings.map(check).collect()
}

/// Checks the NATS server that events are published to; `Err` says why there is no connection.
pub fn feed(found: Result<Result<String, publisher::Failure>, &str>) -> Check {
    const NAME: &str = "NATS";
    match found {
        Ok(Ok(found)) => Check::ok(NAME, found),
        Ok(Err(publisher::Failure::Refused(why))) => {
            let fix = "start the service, which creates the stream; if that fails, grant the permissions listed in docs/operating/nats.md";
            Check::warn(NAME, why, fix)
        }
        Ok(Err(failure)) => Check::fail(NAME, failure.to_string(), "enable JetStream for this account"),
        Err(why) => Check::fail(NAME, why, "start the server; check nats.url, its credentials and nats.ca_file"),
    }
}

/// Checks every connection: its credential, and each routed calendar.
pub async fn connections(journal: &Journal, routing: &Routing, calendars: &Calendars) -> Vec<Check> {
    let mut checks = Vec::new();
    for (id, provider) in &routing.providers {
        let name = format!("connection {id}");
        match provider.authorise().await {
            Err(failure) => {
                checks.push(Check::fail(name, failure.to_string(), advice(&failure)));
            }
            Ok(account) => {
                checks.push(Check::ok(name, format!("authorised as {}", account.name)));
                for key in routing.calendars().iter().filter(|key| key.connection == *id) {
                    checks.push(calendar(key, provider, &account.name).await);
                    checks.push(channel(journal, calendars, key).await);
                }
            }
        }
    }
    checks
}

async fn calendar(key: &CalendarKey, provider: &Arc<dyn CalendarProvider>, account: &str) -> Check {
    let name = format!("calendar {}", key.calendar);
    match provider.describe(key).await {
        Ok(facts) if facts.writable => {
            let zone = facts.zone.map(|zone| format!(" (zone {zone})")).unwrap_or_default();
            Check::ok(name, format!("writable{zone}"))
        }
        Ok(_) => {
            let fix = format!("share the calendar with {account}, with the permission \"Make changes to events\"");
            Check::fail(name, "readable, but not writable", fix)
        }
        Err(failure) if failure.class == FailureClass::CalendarUnavailable => {
            let fix = format!("check its id in [[routes]], and share it with {account}");
            Check::fail(name, failure.to_string(), fix)
        }
        Err(failure) => Check::fail(name, failure.to_string(), advice(&failure)),
    }
}

async fn channel(journal: &Journal, calendars: &Calendars, key: &CalendarKey) -> Check {
    let name = format!("push for {}", key.calendar);
    let now = journal.clock().now();
    match calendars.load(journal, key).await {
        Err(error) => Check::fail(name, error.to_string(), "check the ledger"),
        Ok((calendar, _)) if calendar.push_unsupported => {
            Check::ok(name, "not supported by this calendar: it is polled")
        }
        Ok((calendar, _)) => match calendar.current_channel().and_then(|c| c.expires_at) {
            Some(at) if at > now => Check::ok(name, format!("open until {}", at.format("%Y-%m-%d %H:%M:%SZ"))),
            _ => {
                let fix = "start the service with a public_url: it opens a channel automatically";
                Check::warn(name, "no open channel: the calendar is polled", fix)
            }
        },
    }
}

/// Checks the credential of every source.
pub async fn sources<'a>(sources: impl Iterator<Item = &'a Arc<dyn BookingSource>>) -> Vec<Check> {
    let mut checks = Vec::new();
    for source in sources {
        let name = format!("source {}", source.name());
        checks.push(match source.get(NO_BOOKING).await {
            Ok(_) => Check::ok(name, "reachable, and accepts our key"),
            Err(failure) => Check::fail(name, failure.to_string(), advice(&failure)),
        });
    }
    checks
}

/// What to do about a failed call.
fn advice(failure: &CallFailure) -> &'static str {
    use FailureClass as F;
    match failure.class {
        F::Transient | F::OutcomeUnknown => {
            "check the network, the address, HTTPS_PROXY and SSL_CERT_FILE, or try again later"
        }
        F::RateLimited | F::UsageLocked => "wait: the provider is limiting our calls",
        F::AuthRevoked => "access was revoked: create a new key or grant access again",
        F::Unauthorised => "check that the credential is the right one and that the machine's clock is correct",
        F::ScopeMissing => "grant the calendar scope",
        F::Forbidden => "grant this permission at the provider",
        F::OperatorNeeded => "enable the API for the project at the provider, or correct the client settings",
        F::CalendarUnavailable | F::Gone => "check the id, and that it is shared with this account",
        F::NonRetryable
        | F::CursorExpired
        | F::Stale
        | F::IdentityTaken
        | F::RejectedBySource
        | F::PushUnsupported
        | F::WindowTooWide => "see the provider's message",
    }
}
