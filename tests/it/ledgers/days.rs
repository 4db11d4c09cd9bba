//! Ordinary days: bookings made, moved and cancelled; people's edits in the calendars; keys, seals, and a person forgotten.

use std::fs;

use chrono::{DateTime, TimeDelta};
use serde_json::json;
use syncledger::adapters::sandbox::uschedule::Status;

use super::{
    kept::EXPORT,
    make::{FORGOTTEN, Maker},
    story::{CALENDARS, Part},
};

impl Maker {
    /// Bookings from the source, from a file and from the API, and what becomes of them.
    pub async fn ordinary_days(&mut self) {
        for bay in [1, 1, 2, 2, 3, 4] {
            self.book(Part::InStep, bay);
        }
        let moved = self.book(Part::InStep, 1);
        let renamed = self.book(Part::InStep, 2);
        let cancelled = self.book(Part::Cancelled, 1);
        let all: Vec<String> = self.story.bookings.iter().map(|told| told.appointment.clone()).collect();
        let in_step: Vec<&str> =
            all.iter().map(String::as_str).filter(|id| self.part(id) != Part::StuckTooFarAhead).collect();
        self.in_step(&in_step).await;

        let ((starts_at, ends_at), now) = (self.slot(), self.world.now());
        let before = self.entry(&moved);
        self.world.uschedule().reschedule(&moved, starts_at, ends_at, None, now).expect("its slot is free");
        self.world.uschedule().describe(&renamed, "Fitting", Some("brings clubs"), now).expect("it is booked");
        self.world.uschedule().cancel(&cancelled, now).expect("it is booked");
        self.until_row(&cancelled, "off its calendar", |row| row["status"] == "CANCELED" && row["phase"] == "idle")
            .await;
        self.wait("entries to follow their bookings", async |world| {
            let google = world.google();
            let starts = google.entry(CALENDARS[0], &before).and_then(|entry| entry["start"]["dateTime"].as_str());
            let starts = starts.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            let words = google.entries(CALENDARS[1]).into_iter().any(|entry| entry["summary"] == "Fitting");
            words && starts.is_some_and(|at| at.to_utc() == starts_at)
        })
        .await;
        // Somebody else's entry, which is none of our business.
        let (starts_at, ends_at) = self.slot();
        let now = self.world.now();
        self.world.google().create_entry(CALENDARS[0], "Cleaning", starts_at, ends_at, now);
        self.arriving_from_elsewhere().await;
        self.in_step(&[&moved, &renamed]).await;
    }

    /// Bookings that the source does not know.
    async fn arriving_from_elsewhere(&mut self) {
        let csv =
            "id,resource,starts_at,ends_at,zone,title\nk1,court-9,2090-01-01T10:00,2090-01-01T11:00,UTC,Imported\n";
        let file = self.world.folder.path().join("bookings.csv");
        fs::write(&file, csv).expect("it can be written");
        self.told(&["bookings", "import", file.to_str().expect("plain")]);
        let token = self.told(&["token", "create", "--role", "integration"]);
        let (starts_at, ends_at) = self.slot();
        let body = json!({
            "id": "web-1", "resource": "court-8",
            "slot": {"starts_at": starts_at, "ends_at": ends_at, "zone": "UTC"},
            "details": {"title": "By API", "customer": {"id": "web-7", "name": "Sam Green"}},
        });
        let made = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}/api/v1/bookings", self.port))
            .bearer_auth(token["secret"].as_str().expect("a secret"))
            .header("content-type", "application/json")
            .header("idempotency-key", "first")
            .body(body.to_string())
            .send()
            .await
            .expect("it answers");
        assert_eq!(made.status().as_u16(), 201, "{:?}", made.text().await);
    }

    /// People move, rename, remove, copy and mark entries.
    pub async fn edits_in_the_calendar(&mut self) {
        let bay = CALENDARS[1];
        let (moved, moved_entry) = self.booked(Part::InStep, 2).await;
        let (renamed, renamed_entry) = self.booked(Part::InStep, 2).await;
        let (removed, removed_entry) = self.booked(Part::Cancelled, 2).await;
        let (copied, copied_entry) = self.booked(Part::Copied, 2).await;
        let (detached, detached_entry) = self.booked(Part::Detached, 2).await;
        let ((starts_at, ends_at), now) = (self.slot(), self.world.now());
        {
            let mut google = self.world.google();
            google.move_entry(bay, &moved_entry, starts_at, ends_at, now).expect("it is there");
            google.rename_entry(bay, &renamed_entry, "My own words", now).expect("it is there");
            google.delete_entry(bay, &removed_entry, now).expect("it is there");
            google.copy_entry(bay, &copied_entry, now).expect("it is there");
            google.strip_marker(bay, &detached_entry, now).expect("it is there");
        }
        self.wait("the source to follow the calendar", async |world| {
            let source = world.uschedule();
            let followed = source.appointment(&moved).is_some_and(|known| known.booked.starts_at == starts_at);
            followed && source.appointment(&removed).is_some_and(|known| known.status == Status::Cancelled)
        })
        .await;
        self.until_row(&copied, "copied", |row| row["clone"].is_string()).await;
        self.until_row(&detached, "detached", |row| row["status"] == "DETACHED").await;
        self.until_row(&removed, "removed", |row| row["status"] == "CANCELED" && row["phase"] == "idle").await;
        self.in_step(&[&moved, &renamed]).await;
    }

    /// Changes that a person has to answer.
    pub async fn held_for_a_person(&mut self) {
        let first = self.book(Part::InStep, 1);
        let (held, entry) = self.booked(Part::HeldOverlap, 1).await;
        let taken = self.world.uschedule().appointment(&first).expect("it is booked").booked.clone();
        let now = self.world.now();
        let earlier = TimeDelta::minutes(20);
        let (starts_at, ends_at) = (taken.starts_at + earlier, taken.ends_at + earlier);
        self.world.google().move_entry(CALENDARS[0], &entry, starts_at, ends_at, now).expect("it is there");
        self.until_row(&held, "held", |row| row["held"] == "overlap").await;

        let (back, entry) = self.booked(Part::HeldBroughtBack, 1).await;
        let now = self.world.now();
        self.world.uschedule().cancel(&back, now).expect("it is booked");
        self.until_row(&back, "cancelled", |row| row["status"] == "CANCELED" && row["phase"] == "idle").await;
        let now = self.world.now();
        self.world.google().undelete_entry(CALENDARS[0], &entry, now).expect("it was deleted");
        self.until_row(&back, "held", |row| row["held"] == "brought_back").await;
    }

    /// A person is forgotten, and the entry loses their words.
    pub async fn forgotten(&mut self) {
        let (appointment, entry) = self.booked(Part::Erased, 1).await;
        self.erase(&appointment);
        self.wait("the entry to lose its words", async |world| {
            let google = world.google();
            google.entry(CALENDARS[0], &entry).is_some_and(|entry| entry["summary"] == "[erased]")
        })
        .await;
        self.in_step(&[&appointment]).await;
    }

    pub fn erase(&self, appointment: &str) {
        let shown = self.told(&["bookings", "show", &format!("uschedule.{appointment}")]);
        let booking = &shown["booking"];
        assert!(booking["customer_name"].as_str().is_some_and(|name| name.contains(FORGOTTEN)), "{shown:#}");
        self.told(&["subject", "erase", booking["subject"].as_str().expect("a subject"), "--by", "kim"]);
    }

    /// What an operator does now and then: seals, other keys, a table filled anew, tokens.
    pub async fn keys_and_seals(&mut self) {
        self.told(&["audit", "seal"]);
        let first = self.told(&["audit", "key"]);
        let export = self.world.folder.path().join(EXPORT);
        self.told(&["events", "export", export.to_str().expect("plain")]);
        self.told(&["key", "rotate", "--by", "kim"]);
        self.told(&["projections", "rebuild", "links"]);
        let second = self.told(&["audit", "key", "--rotate"]);
        let key = |told: &serde_json::Value| told["key"].as_str().expect("a key").to_owned();
        self.story.keys = vec![key(&second), key(&first)];
        let viewer = self.told(&["token", "create", "--role", "viewer"]);
        let revoked = self.told(&["token", "create", "--role", "admin"]);
        self.told(&["token", "revoke", revoked["id"].as_str().expect("an id")]);
        let secret = |token: &serde_json::Value| token["secret"].as_str().expect("a secret").to_owned();
        (self.story.viewer, self.story.revoked) = (secret(&viewer), secret(&revoked));
        self.booked(Part::InStep, 1).await;
        self.told(&["audit", "seal"]);
    }

    /// What people do while no program runs.
    pub fn meanwhile(&mut self) {
        let appointment = |part: Part| {
            let told = self.story.bookings.iter().find(|told| told.part == part).expect("it was booked");
            told.appointment.clone()
        };
        let (moved, cancelled) = (appointment(Part::MovedMeanwhile), appointment(Part::CancelledMeanwhile));
        let entry = self.entry(&moved);
        let ((starts_at, ends_at), now) = (self.slot(), self.world.now());
        self.world.google().move_entry(CALENDARS[1], &entry, starts_at, ends_at, now).expect("it is there");
        self.world.uschedule().cancel(&cancelled, now).expect("it is booked");
        self.book(Part::BookedMeanwhile, 2);
    }

    fn part(&self, appointment: &str) -> Part {
        self.story.bookings.iter().find(|told| told.appointment == appointment).expect("it was booked").part
    }
}
