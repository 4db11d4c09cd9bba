//! Injects faults into the models, each for one or a few calls, and removes all of them at the end.

use chrono::TimeDelta;

use super::{
    chance::Chance,
    plan::{Conditions, Fault, Outage},
    world::{BAYS, World, lock},
};
use crate::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model,
};

const ENTRIES: &str = "/calendar/v3/calendars/*/events";
const ENTRY: &str = "/calendar/v3/calendars/*/events/*";
const CALENDAR: &str = "/calendar/*";
const APPOINTMENTS: &str = "/v1/appointments*";
/// The calls that write entries.
const WRITES: [(&str, &str); 3] = [("POST", ENTRIES), ("PATCH", ENTRY), ("DELETE", ENTRY)];

fn status(chance: &mut Chance, status: u16, reason: &str) -> Kind {
    let retry_after_s = chance.permille(500).then(|| 1 + u32::try_from(chance.below(90)).unwrap_or(0));
    Kind::Status { status, reason: reason.to_owned(), retry_after_s, carried_out: false }
}

/// One of the calls that write to the calendar.
fn write(kind: Kind, chance: &mut Chance) -> Rule {
    match chance.below(3) {
        0 => Rule::on("POST", ENTRIES, kind),
        1 => Rule::on("PATCH", ENTRY, kind),
        _ => Rule::on("DELETE", ENTRY, kind),
    }
}

/// Any call.
fn any(kind: Kind, chance: &mut Chance) -> Rule {
    let methods = ["GET", "POST", "PATCH", "DELETE"];
    let method = chance.pick(&methods).copied().unwrap_or("GET");
    Rule::on(method, CALENDAR, kind).times(1 + u32::try_from(chance.below(3)).unwrap_or(0))
}

fn google_rule(fault: Fault, chance: &mut Chance) -> Option<Rule> {
    use Fault as F;
    Some(match fault {
        F::LostRequest => write(Kind::BeforeCommit, chance),
        F::LostAnswer => write(Kind::AfterCommit, chance),
        F::Truncated => any(Kind::Truncated, chance),
        F::Unreachable => any(Kind::Unreachable, chance),
        F::Slow => any(Kind::Slow { ms: 29_000 + chance.below(2_000) }, chance),
        F::Conflict => Rule::on("POST", ENTRIES, status(chance, 409, "duplicate")),
        F::TokensExpire => Rule::on("GET", ENTRIES, Kind::ExpireSyncTokens),
        F::Stale => {
            let kind = status(chance, 412, "conditionNotMet");
            Rule::on(if chance.permille(600) { "PATCH" } else { "DELETE" }, ENTRY, kind)
        }
        F::TooMany => any(status(chance, 429, "rateLimitExceeded"), chance),
        F::RateLimited => any(status(chance, 403, "rateLimitExceeded"), chance),
        F::UsageLocked => write(status(chance, 403, "quotaExceeded"), chance),
        F::ServerError => {
            let code = [500, 502, 503, 504][usize::try_from(chance.below(4)).unwrap_or(0)];
            let carried_out = chance.permille(400);
            let retry_after_s = (code == 503 && chance.permille(500)).then_some(7);
            let kind = Kind::Status { status: code, reason: "backendError".into(), retry_after_s, carried_out };
            if carried_out { write(kind, chance) } else { any(kind, chance) }
        }
        F::Unauthorised => any(Kind::Unauthorised, chance),
        F::TokenEndpoint => {
            let kind = if chance.permille(500) { Kind::Unreachable } else { status(chance, 500, "internal_failure") };
            Rule::on("POST", "/token", kind)
        }
        F::PageRepeats => Rule::on("GET", ENTRIES, Kind::PageRepeats),
        F::PageOmits => Rule::on("GET", ENTRIES, Kind::PageOmits),
        F::Dropped => Rule::on("POST", "/webhook/*", Kind::DropDelivery),
        F::Doubled => Rule::on("POST", "/webhook/*", Kind::DuplicateDelivery),
        F::Delayed => Rule::on("POST", "/webhook/*", Kind::DelayDelivery { ms: chance.below(400_000) }),
        F::ChannelDark => Rule::on("POST", "/webhook/gcal", Kind::DropDelivery).times(40),
        _ => return None,
    })
}

fn source_rule(fault: Fault, chance: &mut Chance) -> Option<Rule> {
    use Fault as F;
    let method = if chance.permille(600) { "PATCH" } else { "POST" };
    let lost = [Kind::BeforeCommit, Kind::AfterCommit, Kind::Truncated];
    Some(match fault {
        F::SourceLost => Rule::on(method, APPOINTMENTS, chance.pick(&lost).cloned().unwrap_or(Kind::AfterCommit)),
        F::SourceConflict => Rule::on(method, APPOINTMENTS, status(chance, 409, "slot_taken")),
        F::SourceStale => Rule::on(method, APPOINTMENTS, status(chance, 412, "revision_mismatch")),
        F::SourceError => {
            let code = [500, 503, 429][usize::try_from(chance.below(3)).unwrap_or(0)];
            let method = if chance.permille(500) { "GET" } else { method };
            Rule::on(method, APPOINTMENTS, status(chance, code, ""))
        }
        F::Dropped => Rule::on("POST", "/webhook/*", Kind::DropDelivery),
        F::Doubled => Rule::on("POST", "/webhook/*", Kind::DuplicateDelivery),
        F::Delayed => Rule::on("POST", "/webhook/*", Kind::DelayDelivery { ms: chance.below(400_000) }),
        _ => return None,
    })
}

/// Injects a fault and returns its description. `None` for the faults that the driver causes.
pub(super) fn inject(world: &World, fault: Fault, chance: &mut Chance) -> Option<String> {
    let now = world.now();
    if fault == Fault::Conflict {
        world.observations.lock().count("conflict_armed");
    }
    let both = matches!(fault, Fault::Dropped | Fault::Doubled | Fault::Delayed);
    let at_source = both && chance.permille(500);
    if !at_source && let Some(rule) = google_rule(fault, chance) {
        let description = format!("{} {} {}", rule.kind.name(), rule.method.as_deref().unwrap_or("*"), rule.path);
        lock(&world.google).desk().faults.arm(rule);
        return Some(description);
    }
    if let Some(rule) = source_rule(fault, chance) {
        let description = format!("{} {} {}", rule.kind.name(), rule.method.as_deref().unwrap_or("*"), rule.path);
        lock(&world.uschedule).desk().faults.arm(rule);
        return Some(description);
    }
    let calendar = BAYS[usize::from(chance.permille(500))].1;
    let mut google = lock(&world.google);
    match fault {
        Fault::Unauthorised => google.expire_access_tokens(),
        Fault::Revoked if chance.permille(500) => google.revoke_grants(),
        Fault::Revoked => google.restore_service_account(),
        Fault::PushRefused => google.calendar_mut(calendar)?.push = chance.permille(300),
        Fault::CalendarGone => google.calendar_mut(calendar)?.gone = chance.permille(400),
        Fault::ClockBack => world.clock.set(now - TimeDelta::milliseconds(chance.between(1, 4_000))),
        _ => return None,
    }
    drop(google);
    world.observations.lock().count(fault.name());
    Some(fault.name().to_owned())
}

/// Starts an outage that lasts until [`clear_faults`].
pub(super) fn start_outage(world: &World, outage: Outage) {
    let failing =
        |status| Kind::Status { status, reason: "backendError".into(), retry_after_s: None, carried_out: false };
    let mut google = lock(&world.google);
    let mut arm = |method: &str, path: &str, kind: Kind| {
        google.desk().faults.arm(Rule::on(method, path, kind).times(u32::MAX));
    };
    match outage {
        Outage::Reads => arm("GET", ENTRY, failing(503)),
        Outage::Writes => {
            WRITES.into_iter().for_each(|(method, path)| arm(method, path, failing(503)));
        }
        Outage::Answers => {
            WRITES.into_iter().for_each(|(method, path)| arm(method, path, Kind::AfterCommit));
            arm("GET", ENTRY, Kind::Unreachable);
        }
        Outage::Provider => {
            ["GET", "POST", "PATCH", "DELETE"].into_iter().for_each(|method| arm(method, CALENDAR, Kind::Unreachable));
        }
        Outage::Grant => google.revoke_grants(),
        Outage::Source => {
            drop(google);
            let mut uschedule = lock(&world.uschedule);
            for method in ["GET", "POST", "PATCH"] {
                uschedule.desk().faults.arm(Rule::on(method, APPOINTMENTS, Kind::Unreachable).times(u32::MAX));
            }
        }
    }
}

/// Removes every fault.
pub(super) fn clear_faults(world: &World) {
    let mut google = lock(&world.google);
    google.desk().faults.clear();
    google.restore_service_account();
    for (_, calendar) in BAYS {
        if let Some(calendar) = google.calendar_mut(calendar) {
            calendar.gone = false;
        }
    }
    lock(&world.uschedule).desk().faults.clear();
    let mut ledger_faults = lock(&world.ledger_faults);
    (ledger_faults.unavailable_permille, ledger_faults.lost_answer_permille) = (0, 0);
}

/// Counts the faults that took effect, from the models' call logs.
pub(super) fn count_injected(world: &World, conditions: &Conditions) {
    let mut observations = world.observations.lock();
    let mut google = lock(&world.google);
    let of_google = |kind: &str, status: Option<u16>| match (kind, status) {
        ("before_commit", _) => Fault::LostRequest,
        ("after_commit", _) => Fault::LostAnswer,
        ("truncated", _) => Fault::Truncated,
        ("slow", _) => Fault::Slow,
        ("unauthorised", _) => Fault::Unauthorised,
        ("expire_sync_tokens", _) => Fault::TokensExpire,
        ("page_repeats", _) => Fault::PageRepeats,
        ("page_omits", _) => Fault::PageOmits,
        ("status", Some(409)) => Fault::Conflict,
        ("status", Some(412)) => Fault::Stale,
        ("status", Some(429)) => Fault::TooMany,
        ("status", _) => Fault::ServerError,
        _ => Fault::Unreachable,
    };
    for call in google.desk().calls.all() {
        // The reason of a 403 is in its body only: the network has counted it.
        let Some(kind) = call.fault.filter(|_| call.status != Some(403)) else { continue };
        let token = call.url.ends_with("/token");
        observations.count(if token { Fault::TokenEndpoint } else { of_google(kind, call.status) }.name());
    }
    let deliveries = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        ["drop_delivery", "duplicate_delivery", "delay_delivery", "slow"]
            .map(|kind| counts.get(kind).copied().unwrap_or(0))
    };
    let mut uschedule = lock(&world.uschedule);
    let (one, two) = (deliveries(google.desk().faults.struck()), deliveries(uschedule.desk().faults.struck()));
    let names = [Fault::Dropped, Fault::Doubled, Fault::Delayed, Fault::Slow].map(Fault::name);
    for ((name, one), two) in names.into_iter().zip(one).zip(two) {
        if one + two > 0 {
            *observations.counts.entry(name).or_default() += one + two;
        }
    }
    for call in uschedule.desk().calls.all().filter(|call| call.fault.is_some()) {
        observations.count(
            match call.status {
                None => Fault::SourceLost,
                Some(409) => Fault::SourceConflict,
                Some(412) => Fault::SourceStale,
                Some(_) => Fault::SourceError,
            }
            .name(),
        );
    }
    if conditions.rate(Fault::ChannelDark) > 0 && one[0] > 3 {
        observations.count(Fault::ChannelDark.name());
    }
}
