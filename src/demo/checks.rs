//! The studio's checklist for one bay; each line is judged by the content of the sandbox, not by our own reports.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::world::{CALENDARS, World};
use crate::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model as _,
    uschedule::{Customer, NewAppointment, Status},
};

/// Time limit of a check.
const WITHIN: Duration = Duration::from_secs(20);
/// How long a state that must not change is watched.
const STAYS: Duration = Duration::from_millis(1_500);
/// Polling interval.
const PAUSE: Duration = Duration::from_millis(20);

/// One line of the checklist.
#[derive(Debug, Clone)]
pub struct Check {
    /// Text of the line.
    pub name: &'static str,
    /// The bay.
    pub resource: String,
    /// Whether it passed.
    pub passed: bool,
    /// What was found instead, if it failed.
    pub detail: String,
    /// Duration.
    pub took: Duration,
}

struct Bay<'a> {
    world: &'a World,
    calendar: &'static str,
    resource: String,
}

/// Runs the checklist on one bay.
pub async fn play(world: &World, number: usize) -> Vec<Check> {
    let bay = Bay { world, calendar: CALENDARS[number - 1], resource: format!("bay-{number}") };
    let day = (world.now() + TimeDelta::days(2)).trunc_subsecs(0);
    let hour = |n: i64| day + TimeDelta::hours(n);
    let mut checks = Vec::new();
    let first = bay.book(hour(0), "Lesson with Sam");
    checks.push(
        bay.until("Create booking in USchedule → event appears on correct bay calendar", || {
            bay.shows(&first, hour(0))
        })
        .await,
    );
    bay.reschedule(&first, hour(2));
    checks.push(bay.until("Update booking time → Google event updates", || bay.shows(&first, hour(2))).await);
    drop(world.uschedule().cancel(&first, world.now()));
    checks.push(bay.until("Cancel booking → Google event removed or canceled", || bay.shows_nothing(&first)).await);
    let second = bay.book(hour(4), "Club fitting");
    bay.settle(&second, hour(4)).await;
    bay.person_moves(&second, hour(6));
    checks.push(
        bay.until("Edit Loft-managed Google event time → USchedule updates", || bay.booked_at(&second, hour(6))).await,
    );
    bay.person_deletes(&second);
    checks.push(
        bay.until("Delete/cancel Loft-managed Google event → USchedule cancels", || bay.is_cancelled(&second)).await,
    );
    checks.push(bay.lost_answer(hour(8)).await);
    checks
}

type CheckResult = Result<(), String>;

impl Bay<'_> {
    fn book(&self, starts_at: DateTime<Utc>, service: &str) -> String {
        let new = NewAppointment {
            starts_at,
            ends_at: starts_at + TimeDelta::hours(1),
            time_zone: chrono_tz::America::Chicago,
            resource: self.resource.clone(),
            service: service.into(),
            notes: None,
            customer: Customer { id: "cust-7".into(), name: "Sam Green".into(), email: None, phone: None },
        };
        let now = self.world.now();
        self.world.uschedule().create(new, now).unwrap_or_else(|refusal| format!("(not booked: {refusal})"))
    }

    fn reschedule(&self, id: &str, starts_at: DateTime<Utc>) {
        let now = self.world.now();
        drop(self.world.uschedule().reschedule(id, starts_at, starts_at + TimeDelta::hours(1), None, now));
    }

    fn entries(&self, appointment: &str) -> Vec<Map<String, Value>> {
        let google = self.world.google();
        google.entries_with(self.calendar, "uscheduleAppointmentId", appointment).into_iter().cloned().collect()
    }

    fn shows(&self, appointment: &str, starts_at: DateTime<Utc>) -> CheckResult {
        match self.entries(appointment).as_slice() {
            [entry] if start_of(entry) == Some(starts_at) => Ok(()),
            [entry] => Err(format!("the entry starts at {:?}, not at {starts_at}", entry.get("start"))),
            other => Err(format!("{} entries of {appointment} on {}", other.len(), self.calendar)),
        }
    }

    fn shows_nothing(&self, appointment: &str) -> CheckResult {
        match self.entries(appointment).len() {
            0 => Ok(()),
            n => Err(format!("{n} entries of {appointment} are still on {}", self.calendar)),
        }
    }

    fn booked_at(&self, appointment: &str, starts_at: DateTime<Utc>) -> CheckResult {
        match self.world.uschedule().appointment(appointment) {
            Some(a) if a.booked.starts_at == starts_at && a.status == Status::Booked => Ok(()),
            Some(a) => Err(format!("USchedule has it at {} ({:?})", a.booked.starts_at, a.status)),
            None => Err("USchedule has no such appointment".into()),
        }
    }

    fn is_cancelled(&self, appointment: &str) -> CheckResult {
        match self.world.uschedule().appointment(appointment).map(|a| a.status) {
            Some(Status::Cancelled) => Ok(()),
            other => Err(format!("USchedule says {other:?}")),
        }
    }

    async fn settle(&self, appointment: &str, starts_at: DateTime<Utc>) {
        drop(self.until("", || self.shows(appointment, starts_at)).await);
    }

    fn person_moves(&self, appointment: &str, starts_at: DateTime<Utc>) {
        let now = self.world.now();
        if let Some(id) = self.entry_id(appointment) {
            let ends_at = starts_at + TimeDelta::hours(1);
            drop(self.world.google().move_entry(self.calendar, &id, starts_at, ends_at, now));
        }
    }

    fn person_deletes(&self, appointment: &str) {
        let now = self.world.now();
        if let Some(id) = self.entry_id(appointment) {
            drop(self.world.google().delete_entry(self.calendar, &id, now));
        }
    }

    fn entry_id(&self, appointment: &str) -> Option<String> {
        Some(self.entries(appointment).first()?.get("id")?.as_str()?.to_owned())
    }

    /// The provider carries out a create but its answer is lost: there must be exactly one entry, now and later.
    async fn lost_answer(&self, starts_at: DateTime<Utc>) -> Check {
        let name = "A create whose answer is lost leaves exactly one event";
        let began = self.world.now();
        self.world.google().desk().faults.arm(Rule::on("POST", "*/events", Kind::AfterCommit));
        let appointment = self.book(starts_at, "Lesson, lost answer");
        let mut check = self.until(name, || self.shows(&appointment, starts_at)).await;
        let struck = self.world.google().desk().faults.armed().is_empty();
        while check.passed && self.since(began) < check.took + STAYS {
            tokio::time::sleep(PAUSE).await;
            if let Err(detail) = self.shows(&appointment, starts_at) {
                (check.passed, check.detail) = (false, detail);
            }
        }
        if !struck {
            (check.passed, check.detail) = (false, "the fault did not occur: no create was sent".into());
        }
        check
    }

    fn since(&self, began: DateTime<Utc>) -> Duration {
        (self.world.now() - began).to_std().unwrap_or_default()
    }

    async fn until(&self, name: &'static str, seen: impl Fn() -> CheckResult) -> Check {
        let began = self.world.now();
        loop {
            let (passed, detail) = match seen() {
                Ok(()) => (true, String::new()),
                Err(detail) => (false, detail),
            };
            if passed || self.since(began) > WITHIN {
                return Check { name, resource: self.resource.clone(), passed, detail, took: self.since(began) };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn start_of(entry: &Map<String, Value>) -> Option<DateTime<Utc>> {
    let text = entry.get("start")?.get("dateTime")?.as_str()?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}
