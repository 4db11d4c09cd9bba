//! Ordinary trouble: refusals, lost answers, looks that fail, timers that nobody stops, and `kill -9` in the middle.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncledger::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model as _,
    uschedule,
};

use super::{
    make::{Maker, links, row_of},
    story::{CALENDARS, Part, Told, WINDOW_AHEAD_DAYS},
};
use crate::journeys::world::World;

/// As often as anybody asks.
const EVERY: u32 = 1_000_000;

/// How far outside the window the booking is that is too far ahead.
const TOO_FAR: TimeDelta = TimeDelta::seconds(20);

fn status(status: u16, reason: &str) -> Kind {
    Kind::Status { status, reason: reason.into(), retry_after_s: None, carried_out: false }
}

/// The entries of the calendar that belongs to a provider in trouble.
const ENTRIES: &str = "*/bay4*/events/*";
const CREATE: &str = "*/bay4*/events";

impl Maker {
    fn arm(&self, rule: Rule) {
        self.world.google().desk().faults.arm(rule);
    }

    fn well_again(&self) {
        self.world.google().desk().faults.clear();
    }

    /// A booking is withheld because it is too far ahead, and cancelled before its time comes. Answers when that is.
    pub async fn too_far_ahead(&mut self) -> DateTime<Utc> {
        let opens = self.world.now() + TOO_FAR;
        let starts_at = opens + TimeDelta::days(WINDOW_AHEAD_DAYS);
        let ends_at = starts_at + TimeDelta::hours(1);
        let appointment = self.book_at(Part::StuckTooFarAhead, 1, starts_at, ends_at);
        self.until_row(&appointment, "withheld", |row| row["withheld"] == "too_far_ahead").await;
        self.cancelled(&appointment).await;
        assert!(self.world.now() < opens, "it was to be cancelled before its time came");
        opens
    }

    /// The source cancels, and the program has taken note.
    async fn cancelled(&self, appointment: &str) {
        let now = self.world.now();
        self.world.uschedule().cancel(appointment, now).expect("it is booked");
        let id = format!("uschedule.{appointment}");
        self.wait("the cancellation to arrive", async |world| {
            let out = world.run(self.port, &["bookings", "show", &id, "--json"]);
            let shown: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
            shown["booking"]["status"] == "cancelled"
        })
        .await;
    }

    /// Most of a calendar's entries vanish at once.
    pub async fn vanished_at_once(&mut self) {
        let vanished: Vec<String> = (0..5).map(|_| self.book(Part::HeldMassRemoval, 3)).collect();
        self.in_step(&vanished.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // The first time it was an accident, and they are put back.
        self.vanish(&vanished).await;
        let approvals = self.told(&["approvals", "list"]);
        self.told(&["approvals", "deny", approvals[0]["approval"].as_str().expect("it has a name")]);
        self.in_step(&vanished.iter().map(String::as_str).collect::<Vec<_>>()).await;
        self.vanish(&vanished).await;
        assert_eq!(self.told(&["approvals", "list"]).as_array().map(Vec::len), Some(1));
    }

    async fn vanish(&self, vanished: &[String]) {
        let entries: Vec<String> = vanished.iter().map(|appointment| self.entry(appointment)).collect();
        let now = self.world.now();
        {
            let mut google = self.world.google();
            for entry in &entries {
                google.delete_entry(CALENDARS[2], entry, now).expect("it is there");
            }
        }
        for appointment in vanished {
            self.until_row(appointment, "held for an approval", |row| row["held"] == "mass_removal").await;
        }
    }

    /// The calendar refuses for good, and so do we.
    pub async fn given_up(&mut self) {
        self.arm(Rule::on("POST", "*/bay2*/events", status(403, "forbidden")));
        let refused = self.book(Part::DeadCreate, 2);
        self.until_row(&refused, "given up", |row| row["status"] == "FAILED").await;
        let (unchanged, entry) = self.booked(Part::DeadUpdate, 1).await;
        self.arm(Rule::on("PATCH", &format!("*/events/{entry}"), status(400, "invalid")));
        let now = self.world.now();
        self.world.uschedule().describe(&unchanged, "Something long", None, now).expect("it is booked");
        self.until_row(&unchanged, "given up", |row| row["status"] == "FAILED").await;
        self.delivered_and_not_understood().await;
        self.story.dead_letters = 3;
        let dead = async |_: &World| self.told(&["attempts", "dead"]).as_array().map(Vec::len) == Some(3);
        self.wait("three dead letters", dead).await;
    }

    /// A delivery that is signed and makes no sense.
    async fn delivered_and_not_understood(&self) {
        let now = self.world.now();
        let body = json!({
            "id": "whd_odd", "type": "appointment.updated", "created_at": now,
            "data": {"appointment": {"id": "appt_odd", "status": "booked"}},
        });
        let body = body.to_string();
        let sent = now.timestamp();
        let delivered = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}/webhook/uschedule", self.port))
            .header("content-type", "application/json")
            .header("x-uschedule-delivery", "whd_odd")
            .header("x-uschedule-timestamp", sent.to_string())
            .header("x-uschedule-signature", uschedule::signature("journey-secret", "whd_odd", sent, &body))
            .body(body)
            .send()
            .await
            .expect("it answers");
        assert_eq!(delivered.status().as_u16(), 202, "{:?}", delivered.text().await);
    }

    /// A booking is compared with its entry: the first look fails, the second is answered.
    pub async fn one_look_that_failed(&mut self) {
        let (appointment, entry) = self.booked(Part::StuckLook, 2).await;
        self.arm(Rule::on("GET", &format!("*/events/{entry}"), status(503, "backendError")));
        self.told(&["resync", "booking", &format!("uschedule.{appointment}")]);
        self.wait("two looks", async |world| looks(world, &entry) >= 2).await;
        self.until_row(&appointment, "looked at", |row| row["look"].is_null() && row["phase"] != "looking").await;
    }

    /// A creation that nobody answers, and of which nobody says what became of it, until nobody wants it any more.
    pub async fn unanswered_and_cancelled(&mut self) {
        self.arm(Rule::on("POST", CREATE, Kind::BeforeCommit));
        self.arm(Rule::on("GET", ENTRIES, status(503, "backendError")).times(EVERY));
        let appointment = self.book(Part::StuckUnanswered, 4);
        let waits = |row: &Value| row["outcome_unknown"] == true && row["retry_at"].is_string();
        self.until_row(&appointment, "unanswered", waits).await;
        self.cancelled(&appointment).await;
        self.well_again();
        self.until_row(&appointment, "known not to be there", |row| row["command"].is_null()).await;
    }

    /// From here on no entry of the fourth calendar can be read.
    pub async fn looks_that_go_on_failing(&mut self) {
        let (appointment, entry) = self.booked(Part::LookFailing, 4).await;
        self.arm(Rule::on("GET", ENTRIES, status(503, "backendError")).times(EVERY));
        self.told(&["resync", "booking", &format!("uschedule.{appointment}")]);
        self.wait("three looks", async |world| looks(world, &entry) >= 3).await;
    }

    /// An entry is created, and the answer is lost.
    pub async fn unanswered(&mut self) {
        self.arm(Rule::on("POST", CREATE, Kind::AfterCommit));
        let appointment = self.book(Part::CreateUnanswered, 4);
        let waits = |row: &Value| row["outcome_unknown"] == true && row["retry_at"].is_string();
        self.until_row(&appointment, "unanswered", waits).await;
        assert_eq!(self.world.google().entries_with(CALENDARS[3], "uscheduleAppointmentId", &appointment).len(), 1);
    }

    /// A change fails, and is to be tried again.
    pub async fn waits_for_its_next_attempt(&mut self) {
        for part in [Part::ErasedLast, Part::MovedMeanwhile, Part::CancelledMeanwhile] {
            self.booked(part, 2).await;
        }
        for (part, bay) in [(Part::RetryWaiting, 1), (Part::ConnectionGone, 5)] {
            let (appointment, entry) = self.booked(part, bay).await;
            self.arm(Rule::on("PATCH", &format!("*/events/{entry}"), Kind::Unreachable).times(EVERY));
            let now = self.world.now();
            self.world.uschedule().describe(&appointment, "Another lesson", None, now).expect("it is booked");
            self.until_row(&appointment, "waiting", |row| next_attempt(row).is_some()).await;
        }
    }

    /// The program is killed. `patient`: during two calls, one that had its effect and one that had none. While they last the
    /// program does nothing else, which is how a person can be forgotten just before.
    pub async fn killed(&mut self, patient: bool) {
        let erased = self.story.bookings.iter().find(|told| told.part == Part::ErasedLast);
        let erased = erased.expect("it was booked").appointment.clone();
        if patient {
            self.calls_without_end().await;
            self.erase(&erased);
        } else {
            self.booked(Part::InStep, 4).await;
            self.arm(Rule::on("PATCH", "*/bay2*", Kind::Unreachable).times(EVERY));
            self.erase(&erased);
            self.between_two_attempts().await;
            self.story.erasure_tried = true;
        }
        self.service.take().expect("it runs").kill();
    }

    /// Two creations are under way, and nobody answers.
    async fn calls_without_end(&mut self) {
        self.arm(Rule::on("POST", CREATE, Kind::Slow { ms: 8_000 }));
        self.book(Part::InStep, 4);
        self.wait("a slow call", async |world| slow_calls(world) == 1).await;
        self.arm(Rule::on("POST", CREATE, status(503, "backendError")).after(1));
        self.arm(Rule::on("POST", CREATE, Kind::Slow { ms: 600_000 }).times(2));
        let before = self.story.bookings.len();
        // Taken up together when the slow call is over.
        for _ in 0..2 {
            self.book(Part::KilledAfterCreate, 4);
        }
        self.wait("two slow calls", async |world| slow_calls(world) == 3).await;
        let google = self.world.google();
        for told in &mut self.story.bookings[before..] {
            if google.entries_with(CALENDARS[3], "uscheduleAppointmentId", &told.appointment).is_empty() {
                told.part = Part::KilledBeforeCreate;
            }
        }
    }

    /// Waits until no attempt is under way, nor will be in the next second.
    async fn between_two_attempts(&self) {
        let parts = [Part::ErasedLast, Part::RetryWaiting, Part::ConnectionGone];
        let concerned: Vec<&Told> = self.story.bookings.iter().filter(|told| parts.contains(&told.part)).collect();
        self.wait("a pause between two attempts", async |world| {
            let rows = links(world, self.port);
            let waiting = |row: &Value| next_attempt(row).is_some_and(|at| at > world.now() + TimeDelta::seconds(1));
            concerned.iter().all(|told| row_of(&rows, told).is_some_and(waiting))
        })
        .await;
    }
}

/// When a change that failed is tried again, or looked up: 0.1.0 tries again, later programs look first.
fn next_attempt(row: &Value) -> Option<DateTime<Utc>> {
    let waits = row["command"].is_null() || row["outcome_unknown"] == true;
    let at = row["retry_at"].as_str().filter(|_| waits);
    at.and_then(|at| at.parse().ok())
}

/// How often an entry was read by its id.
fn looks(world: &World, entry: &str) -> usize {
    let mut google = world.google();
    google.desk().calls.all().filter(|call| call.method == "GET" && call.url.ends_with(entry)).count()
}

/// How many calls were struck by slowness.
fn slow_calls(world: &World) -> u64 {
    world.google().desk().faults.struck().get("slow").copied().unwrap_or(0)
}
