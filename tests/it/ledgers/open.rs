//! A kept ledger is opened by the program as it is now: served until it is at rest, and then looked at from all sides.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use syncledger::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model as _,
};

use super::{
    kept,
    make::{PAUSE_MS, links, row_of},
    story::{CALENDARS, Calls, Part, Story, Told},
    writes::{Entries, calls, listings, polls},
};
use crate::{
    journeys::world::{World, free_port},
    support::{
        patience::{eventually, time_passes},
        postgres::Database,
    },
};

/// How often an entry that cannot be read is read at most while the test goes on: looks back off.
const SOME_LOOKS_MAX: usize = 20;

/// A kept ledger, put back and served.
struct Opened {
    world: World,
    port: u16,
    story: Story,
    entries: Entries,
}

/// Opens the ledger that is kept in `folder` under the name of its database, in `database` or else in files.
pub async fn opens(folder: &Path, name: &str, database: Option<&Database>) {
    let (world, port) = (kept::restore(folder, name, database).await, free_port());
    world.deliver_to(port);
    let (story, entries) = (kept::story(folder, name), Entries::of(&kept::calendars(folder, name)));
    let opened = Opened { world, port, story, entries };
    opened.claims_are_over().await;
    let failing = opened.keep_failing();
    let service = opened.world.serve(port).await;
    opened.failing_looks_are_repeated(failing.as_deref()).await;
    opened.heals().await;
    opened.sends_nothing_needless(failing.is_some());
    opened.says_how_it_is_doing().await;
    opened.keeps_0_1_0_out();
    opened.tables_are_what_a_replay_gives();
    opened.verifies(&kept::checkpoints(folder, name), &folder.join(name).join(kept::EXPORT));
    opened.tokens_are_good().await;
    opened.people_read_as_before();
    opened.nobody_reads_who_was_forgotten();
    drop(service);
    assert!(!opened.world.log(port).contains("panicked"), "{}", opened.world.log(port));
}

impl Opened {
    fn of(&self, part: Part) -> impl Iterator<Item = &Told> {
        self.story.bookings.iter().filter(move |told| told.part == part)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        let out = self.world.run(self.port, arguments);
        let said = [&out.stdout[..], &out.stderr].map(String::from_utf8_lossy).concat();
        assert!(out.status.success(), "{arguments:?}: {said}");
        out
    }

    #[track_caller]
    fn told(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.run(&[arguments, &["--json"]].concat()).stdout).expect("JSON")
    }

    /// A program that is killed while it lists a calendar keeps its claim on it for some minutes. A ledger that was kept long ago
    /// has no such claim any more.
    async fn claims_are_over(&self) {
        let mut claims: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for event in self.world.events(self.port) {
            let calendar = event["stream"].to_string();
            if event["type"] == "calendar.pull_started" {
                let until = event["data"]["lease_until"].as_str().expect("it has an end");
                claims.insert(calendar, until.parse().expect("it is a time"));
            } else if ["calendar.cursor_advanced", "calendar.pull_failed"].iter().any(|ended| event["type"] == *ended) {
                claims.remove(&calendar);
            }
        }
        let left = claims.into_values().max().map(|until| until - self.world.now());
        let left = left.and_then(|left| u64::try_from(left.num_milliseconds()).ok());
        time_passes(left.unwrap_or(0)).await;
    }

    /// The entry that could not be read when the program was killed cannot be read now either, to begin with.
    fn keep_failing(&self) -> Option<String> {
        let told = self.of(Part::LookFailing).next()?;
        let mut google = self.world.google();
        let entry = google.entries_with(&told.calendar, "uscheduleAppointmentId", &told.appointment);
        let id = entry[0]["id"].as_str().expect("an id").to_owned();
        let kind = Kind::Status { status: 503, reason: "backendError".into(), retry_after_s: None, carried_out: false };
        google.desk().faults.arm(Rule::on("GET", &format!("*/events/{id}"), kind).times(1_000_000));
        Some(id)
    }

    /// A look that goes on failing is tried again. How much less often each time is for the simulation to say, which has a
    /// clock of its own.
    async fn failing_looks_are_repeated(&self, failing: Option<&str>) {
        let Some(entry) = failing else { return };
        let looks = || {
            let mut google = self.world.google();
            google.desk().calls.all().filter(|call| call.method == "GET" && call.url.ends_with(entry)).count()
        };
        assert!(eventually(async || looks() >= 1).await, "{}", self.world.log(self.port));
        self.world.google().desk().faults.clear();
        // After so many failures the next look is minutes away; an operator who knows that all is well need not wait for it.
        for told in self.of(Part::LookFailing) {
            self.run(&["resync", "booking", &format!("uschedule.{}", told.appointment)]);
        }
    }

    /// Whether every booking is where its part ends.
    fn unhealed(&self) -> Vec<String> {
        let rows = links(&self.world, self.port);
        let wrong = |told: &Told| {
            let Some(row) = row_of(&rows, told) else { return Some("it has no link".to_owned()) };
            let entries =
                self.world.google().entries_with(&told.calendar, "uscheduleAppointmentId", &told.appointment).len();
            let (status, attention) = told.part.shown();
            let good = row["status"] == status
                && row["attention"].as_str() == attention
                && row["command"].is_string() == told.part.stays_unknown(&self.story)
                && row["look"].is_null()
                && row["inbound"].is_null()
                && (row["due_at"].is_string() == told.part.stays_due())
                && entries == told.part.entries();
            (!good).then(|| format!("{entries} entries, {row:#}"))
        };
        self.story.bookings.iter().filter_map(|told| Some(format!("{told:?}: {}", wrong(told)?))).collect()
    }

    /// Served until everything is where it belongs, and the calendars and the source had nothing new to say since.
    async fn heals(&self) {
        let healed = eventually(async || {
            // Each question costs the machine a process.
            time_passes(PAUSE_MS).await;
            self.unhealed().is_empty()
        })
        .await;
        assert!(healed, "{}\n{}", self.unhealed().join("\n"), self.world.log(self.port));
        let asked = || {
            let mut counts: Vec<usize> = CALENDARS.iter().map(|calendar| listings(&self.world, calendar)).collect();
            counts.push(polls(&self.world));
            counts
        };
        let before = asked();
        let again = async || asked().iter().zip(&before).all(|(now, before)| *now >= before + 2);
        assert!(eventually(again).await, "{:?}\n{}", asked(), self.world.log(self.port));
        assert_eq!(self.unhealed(), [""; 0]);
        self.replaced_and_followed();
    }

    /// What healing means where the calendar or the source shows it.
    fn replaced_and_followed(&self) {
        let google = self.world.google();
        for part in [Part::Erased, Part::ErasedLast] {
            for told in self.of(part) {
                let entry = google.entries_with(&told.calendar, "uscheduleAppointmentId", &told.appointment);
                assert_eq!(entry[0]["summary"], "[erased]", "{told:?}");
            }
        }
        let uschedule = self.world.uschedule();
        for told in self.of(Part::MovedMeanwhile) {
            let entry = google.entries_with(&told.calendar, "uscheduleAppointmentId", &told.appointment);
            let starts =
                entry[0]["start"]["dateTime"].as_str().and_then(|t| t.parse::<chrono::DateTime<chrono::Utc>>().ok());
            let known = uschedule.appointment(&told.appointment).expect("it is booked");
            assert_eq!(starts, Some(known.booked.starts_at), "the source follows the calendar: {told:?}");
        }
    }

    /// Every call about an entry is one that was needed, and was made once.
    fn sends_nothing_needless(&self, looks_failed: bool) {
        let mut made = calls(&self.world, &self.entries);
        let mut wrong = Vec::new();
        for told in &self.story.bookings {
            let mut calls = made.remove(&told.appointment).unwrap_or_default();
            if told.part == Part::LookFailing && looks_failed {
                // Those that were made to fail have been counted; one more succeeded.
                let some = (2..=SOME_LOOKS_MAX).contains(&calls.get);
                calls.get = if some { 1 } else { calls.get };
            }
            let needed = told.part.calls(&self.story);
            if calls != needed {
                wrong.push(format!("{told:?}: {calls:?} instead of {needed:?}"));
            }
        }
        let others: Vec<(String, Calls)> = made.into_iter().collect();
        assert!(wrong.is_empty() && others.is_empty(), "{}\n{others:?}", wrong.join("\n"));
    }

    /// How many links are due of those whose timer stays. In a ledger that was just made it may not have run out yet.
    fn overdue(&self) -> usize {
        let (rows, now) = (links(&self.world, self.port), self.world.now());
        let due = |told: &&Told| {
            let at: Option<DateTime<Utc>> = row_of(&rows, told)?["due_at"].as_str()?.parse().ok();
            at.filter(|at| *at <= now)
        };
        self.story.bookings.iter().filter(|told| told.part.stays_due() && due(told).is_some()).count()
    }

    async fn says_how_it_is_doing(&self) {
        let overdue = self.overdue() as u64;
        let answer = reqwest::get(format!("http://127.0.0.1:{}/health", self.port)).await.expect("it answers");
        assert_eq!(answer.status().as_u16(), 200);
        let health: Value = serde_json::from_str(&answer.text().await.expect("it is text")).expect("JSON");
        assert_eq!(
            json!([health["status"], health["writer"], health["dead_letters"], health["approvals_waiting"]]),
            json!(["degraded", "ok", self.story.dead_letters, 1]),
            "{health:#}"
        );
        // Wrong: a link whose connection is not configured any more waits for nothing.
        let unknown = self.story.bookings.iter().filter(|told| told.part.stays_unknown(&self.story)).count();
        assert_eq!(health["open_commands"], json!(unknown), "{health:#}");
        let due = health["due_links"].as_u64().expect("it is counted");
        assert!((overdue..=self.overdue() as u64).contains(&due), "{overdue} or more: {health:#}");
        let attention = self.story.bookings.iter().filter(|told| told.part.shown().1.is_some()).count();
        // A dead letter that is a delivery has no link.
        assert_eq!(health["attention"], json!(attention), "{health:#}");
    }

    /// 0.1.0 reads the streams of profiles before it serves. What each says once is a type of event that it does not know.
    fn keeps_0_1_0_out(&self) {
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.world.events(self.port) {
            let [stream, kind] = ["stream", "type"].map(|field| event[field].as_str().expect("a text").to_owned());
            if stream.starts_with("profile-") {
                said.entry(stream).or_default().push(kind);
            }
        }
        assert!(!said.is_empty());
        for (stream, kinds) in said {
            let required = kinds.iter().filter(|kind| *kind == "profile.program_required").count();
            assert_eq!(required, 1, "{stream}: {kinds:?}");
        }
    }

    fn tables_are_what_a_replay_gives(&self) {
        for projection in &syncledger::projections::ALL {
            self.run(&["projections", "diff", projection.name]);
        }
    }

    /// The whole ledger, by the keys and checkpoints that somebody kept from then.
    fn verifies(&self, checkpoints: &[PathBuf], export: &Path) {
        assert!(checkpoints.len() >= 2, "{checkpoints:?}");
        let mut arguments = vec!["audit", "verify"];
        for key in &self.story.keys {
            arguments.extend(["--key", key]);
        }
        for checkpoint in checkpoints {
            arguments.extend(["--checkpoint", checkpoint.to_str().expect("plain")]);
        }
        self.run(&arguments);
        self.run(&["audit", "verify"]);
        let oldest = self.story.keys.last().expect("there is a key");
        self.run(&["audit", "verify", export.to_str().expect("plain"), "--key", oldest]);
        // What is written now is sealed under the last of those keys.
        assert_eq!(self.told(&["audit", "key"])["key"], json!(self.story.keys[0]));
        self.told(&["audit", "seal"]);
        self.run(&arguments);
    }

    async fn tokens_are_good(&self) {
        let client = reqwest::Client::new();
        for (secret, status) in [(&self.story.viewer, 200), (&self.story.revoked, 401)] {
            let url = format!("http://127.0.0.1:{}/api/v1/bookings", self.port);
            let answer = client.get(url).bearer_auth(secret).send().await.expect("it answers");
            assert_eq!(answer.status().as_u16(), status);
        }
    }

    fn people_read_as_before(&self) {
        let shown = self.told(&["bookings", "list", "--limit", "1000"]);
        for told in &self.story.bookings {
            let booking = format!("uschedule.{}", told.appointment);
            let mut rows = shown.as_array().into_iter().flatten();
            let name = rows.find(|row| row["booking"] == *booking).expect("it is listed")["customer_name"].as_str();
            match told.part {
                Part::Erased | Part::ErasedLast => assert_eq!(name, None, "{booking}"),
                _ => assert!(name.is_some_and(|name| name.starts_with("Sam Green ")), "{booking}: {name:?}"),
            }
        }
    }

    /// Neither in any file of the program, nor in anything it prints.
    fn nobody_reads_who_was_forgotten(&self) {
        let printed = self.run(&["events", "all", "--open"]);
        assert!(printed.stdout.windows(11).any(|part| part == b"Sam Green 0"), "others' names are printed");
        let word = self.story.forgotten.as_bytes();
        assert!(!printed.stdout.windows(word.len()).any(|part| part == word));
        let mut grep = std::process::Command::new("grep");
        let found = grep.args(["-rlaF", &self.story.forgotten]).arg(self.world.folder.path()).output();
        let found = found.expect("grep is there");
        let files = String::from_utf8_lossy(&found.stdout).into_owned();
        // 1: it read everything and found nothing; 2: it could not read everything.
        assert_eq!((found.status.code(), files.as_str()), (Some(1), ""), "the word of somebody who was forgotten");
    }
}
