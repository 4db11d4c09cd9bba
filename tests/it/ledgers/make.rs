//! A program is driven through a story, from its first start to `kill -9`, and what is left of it is kept.
//!
//! To keep a ledger of a released program: `SYNCLEDGER_TEST_PROGRAM=<its binary> SYNCLEDGER_TEST_KEEP=<folder> ./test
//! ledgers::make`. Otherwise the program as it is now goes through the same story and is opened again at once, so that the
//! story can be played and the checks are met by a ledger that is not frozen.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncledger::adapters::sandbox::{
    google::{self, Google},
    uschedule::{self, Customer, NewAppointment, USchedule},
};

use super::{
    kept,
    open::opens,
    story::{CALENDARS, GONE, Part, Story, Told, WINDOW_AHEAD_DAYS},
};
use crate::{
    journeys::world::{Parts, Service, World, free_port},
    support::{
        patience::{eventually, time_passes},
        postgres::Database,
        size::sized,
    },
};

/// Between two questions to the program.
pub const PAUSE_MS: u64 = 200;

/// A word that is in everything the forgotten person says, and in nothing else.
pub const FORGOTTEN: &str = "Zaphodine";

/// The bookings of the story are on this day: within the window of every program that will ever open it.
const DAY: &str = "2090-03-06T08:00:00Z";

/// The program that makes the ledger, and what it has done so far.
pub struct Maker {
    pub world: World,
    pub port: u16,
    pub story: Story,
    pub service: Option<Service>,
    hours: i64,
}

impl Maker {
    async fn start(program: PathBuf, database: Option<&Database>) -> Self {
        let mut google = Google::new(google::Settings::default());
        for id in CALENDARS.iter().chain([&GONE]) {
            google.add_calendar(id, id, chrono_tz::America::Chicago);
        }
        let uschedule = USchedule::new(uschedule::Settings::default());
        let version = std::process::Command::new(&program).arg("--version").output().expect("the program starts");
        let version = String::from_utf8(version.stdout).expect("it is text").trim().to_owned();
        let template = CONFIGURATION.replace("{days}", &WINDOW_AHEAD_DAYS.to_string());
        let world = World::with(Parts { google, uschedule, program, template }, database).await;
        let port = free_port();
        world.deliver_to(port);
        let story = Story {
            program: version,
            ended_at: world.now(),
            bookings: Vec::new(),
            viewer: String::new(),
            revoked: String::new(),
            keys: Vec::new(),
            forgotten: FORGOTTEN.into(),
            dead_letters: 0,
            erasure_tried: false,
        };
        let service = Some(world.serve(port).await);
        Self { world, port, story, service, hours: 0 }
    }

    /// The whole story. `patient`: with what takes a minute and a half to be over.
    async fn play(&mut self, patient: bool) {
        // What is created while a calendar is listed for the first time can look as if it had vanished.
        self.recorded("calendar.coverage_proven", CALENDARS.len() + 1).await;
        let waits_until = self.too_far_ahead().await;
        self.ordinary_days().await;
        self.edits_in_the_calendar().await;
        self.second_thoughts().await;
        self.outages().await;
        self.held_for_a_person().await;
        self.vanished_at_once().await;
        self.given_up().await;
        self.one_look_that_failed().await;
        self.forgotten().await;
        self.unanswered_and_cancelled().await;
        self.keys_and_seals().await;
        self.wait("the time that is too far ahead to come", async |world| world.now() > waits_until).await;
        self.looks_that_go_on_failing().await;
        self.unanswered().await;
        self.waits_for_its_next_attempt().await;
        self.killed(patient).await;
        self.meanwhile();
        self.story.ended_at = self.world.now();
    }

    /// The program is killed, and started again.
    pub async fn start_again(&mut self) {
        self.service.take().expect("it runs").kill();
        self.service = Some(self.world.serve(self.port).await);
    }

    /// The source has put a booking on another resource.
    pub fn moved_to(&mut self, appointment: &str, calendar: &str) {
        let told = self.story.bookings.iter_mut().find(|told| told.appointment == appointment);
        calendar.clone_into(&mut told.expect("it was booked").calendar);
    }

    /// A time of its own on the day of the story.
    pub fn slot(&mut self) -> (DateTime<Utc>, DateTime<Utc>) {
        self.hours += 1;
        let day: DateTime<Utc> = DAY.parse().expect("it is a time");
        let starts_at = day + TimeDelta::hours(self.hours);
        (starts_at, starts_at + TimeDelta::minutes(50))
    }

    /// A customer books, at a time of its own.
    pub fn book(&mut self, part: Part, bay: usize) -> String {
        let (starts_at, ends_at) = self.slot();
        self.book_at(part, bay, starts_at, ends_at)
    }

    /// A customer books. `bay` counts from 1, as resources do.
    pub fn book_at(&mut self, part: Part, bay: usize, starts_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> String {
        let number = self.story.bookings.len();
        let erased = matches!(part, Part::Erased | Part::ErasedLast);
        let name = if erased { format!("{FORGOTTEN} {number}") } else { format!("Sam Green {number}") };
        let new = NewAppointment {
            starts_at,
            ends_at,
            time_zone: chrono_tz::America::Chicago,
            resource: format!("bay-{bay}"),
            service: format!("Lesson {number} with {name}"),
            notes: erased.then(|| format!("{FORGOTTEN} plays left-handed")),
            customer: Customer { id: format!("c{number}"), name, email: None, phone: None },
        };
        let now = self.world.now();
        let appointment = self.world.uschedule().create(new, now).expect("its slot is free");
        let calendar = (*CALENDARS.get(bay - 1).unwrap_or(&GONE)).to_owned();
        self.story.bookings.push(Told { appointment: appointment.clone(), calendar, part });
        appointment
    }

    /// Books, and waits until it is on its calendar and was seen there. Gives the appointment and the entry.
    pub async fn booked(&mut self, part: Part, bay: usize) -> (String, String) {
        let appointment = self.book(part, bay);
        self.in_step(&[&appointment]).await;
        let seen = format!("link-uschedule.{appointment}.");
        self.wait("the entry to be seen", async |world| {
            let echoes = recorded(world, self.port, "link.echo_recognised");
            echoes.iter().any(|event| event["stream"].as_str().is_some_and(|stream| stream.starts_with(&seen)))
        })
        .await;
        let entry = self.entry(&appointment);
        (appointment, entry)
    }

    /// Waits until so many events of that type are in the ledger.
    pub async fn recorded(&self, kind: &str, count: usize) {
        self.wait(kind, async |world| recorded(world, self.port, kind).len() >= count).await;
    }

    /// Waits until each of these has its entry, and the program knows it.
    pub async fn in_step(&self, appointments: &[&str]) {
        let wanted: Vec<&Told> =
            self.story.bookings.iter().filter(|told| appointments.contains(&told.appointment.as_str())).collect();
        self.wait("bookings to be on their calendars", async |world| {
            let rows = links(world, self.port);
            let synced = |row: &Value| row["status"] == "ACTIVE" && row["phase"] == "idle";
            wanted.iter().all(|told| row_of(&rows, told).is_some_and(synced))
        })
        .await;
    }

    /// The one live entry of an appointment.
    pub fn entry(&self, appointment: &str) -> String {
        let google = self.world.google();
        let of = |calendar| google.entries_with(calendar, "uscheduleAppointmentId", appointment);
        let entry =
            CALENDARS.iter().chain([&GONE]).find_map(|calendar| of(calendar).first().map(|entry| entry["id"].clone()));
        entry.and_then(|id| id.as_str().map(str::to_owned)).expect("it has an entry")
    }

    /// Waits until the mapping says so of a booking's link.
    pub async fn until_row(&self, appointment: &str, what: &str, so: impl Fn(&Value) -> bool) {
        let what = format!("{appointment} to be {what}");
        let told = self.story.bookings.iter().find(|told| told.appointment == appointment).expect("it was booked");
        self.wait(&what, async |world| row_of(&links(world, self.port), told).is_some_and(&so)).await;
    }

    /// Waits until it is so.
    pub async fn wait(&self, what: &str, so: impl AsyncFn(&World) -> bool) {
        let done = eventually(async || {
            time_passes(PAUSE_MS).await;
            so(&self.world).await
        })
        .await;
        assert!(done, "waited in vain for {what}\n{}", self.world.log(self.port));
    }

    /// Runs a command of the program, and reads what it prints.
    #[track_caller]
    pub fn told(&self, arguments: &[&str]) -> Value {
        let out = self.world.run(self.port, &[arguments, &["--json"]].concat());
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    }
}

/// The whole mapping.
pub fn links(world: &World, port: u16) -> Vec<Value> {
    let out = world.run(port, &["projections", "show", "links", "--limit", "1000", "--json"]);
    serde_json::from_slice(&out.stdout).unwrap_or_default()
}

/// What the mapping says of a booking on its calendar.
pub fn row_of<'a>(rows: &'a [Value], told: &Told) -> Option<&'a Value> {
    rows.iter().find(|row| row["appointment"] == *told.appointment && row["calendar"] == *told.calendar)
}

/// The events of that type.
fn recorded(world: &World, port: u16, kind: &str) -> Vec<Value> {
    let out = world.run(port, &["events", "all", "--type", kind, "--json"]);
    let lines = String::from_utf8_lossy(&out.stdout).into_owned();
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Where the ledger is to be kept, and the program that makes it, where the run says so.
fn to_keep() -> Option<(PathBuf, PathBuf)> {
    let folder = std::env::var_os("SYNCLEDGER_TEST_KEEP")?;
    let program = std::env::var_os("SYNCLEDGER_TEST_PROGRAM").expect("SYNCLEDGER_TEST_PROGRAM names the program");
    Some((program.into(), folder.into()))
}

/// Makes a ledger, keeps it in a folder, and opens it from there.
async fn made_and_opened(name: &str, database: Option<&Database>, other: Option<&Database>) {
    let (program, keep) = match to_keep() {
        Some((program, folder)) => (program, Some(folder)),
        None => (env!("CARGO_BIN_EXE_syncledger").into(), None),
    };
    let mut maker = Box::pin(Maker::start(program, database)).await;
    Box::pin(maker.play(keep.is_some())).await;
    let own = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let folder = keep.unwrap_or_else(|| own.path().to_owned());
    kept::keep(&maker.world, &maker.story, database, &folder, name);
    drop(maker);
    Box::pin(opens(&folder, name, other)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_made_now_opens_from_its_files() {
    if !plays_the_story() {
        return;
    }
    made_and_opened("sqlite", None, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_made_now_opens_from_a_dump() {
    if !plays_the_story() {
        return;
    }
    let (database, other) = (Database::new().await, Database::new().await);
    made_and_opened("postgres", Some(&database), Some(&other)).await;
}

/// The story takes minutes: it is played in full size, and to keep the ledger of a released program.
fn plays_the_story() -> bool {
    sized(0, 1) == 1 || std::env::var_os("SYNCLEDGER_TEST_KEEP").is_some()
}

const CONFIGURATION: &str = r#"workspace  = "loft"
listen     = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"

{stores}
[secrets]
master_key_file = "master.key"

[[sources]]
name = "uschedule"
kind = "uschedule"
base_url = "{uschedule}"
api_key_file = "api-key"
webhook_secret_file = "webhook-secret"
poll_every = "1s"

[[connections]]
id = "loft-bot"
provider = "google"
service_account_file = "bot.json"
api_base = "{google}/calendar/v3"
token_url = "{google}/token"
poll_every = "1s"

[profiles.resource-mirror]
preset = "resource-mirror"
removal_grace_s = 1
window_ahead_days = {days}

[[routes]]
resource = "bay-1"
connection = "loft-bot"
calendar = "bay1@sandbox.example"
profile = "resource-mirror"

[[routes]]
resource = "bay-2"
connection = "loft-bot"
calendar = "bay2@sandbox.example"
profile = "resource-mirror"

[[routes]]
resource = "bay-3"
connection = "loft-bot"
calendar = "bay3@sandbox.example"
profile = "resource-mirror"

[[routes]]
resource = "bay-4"
connection = "loft-bot"
calendar = "bay4@sandbox.example"
profile = "resource-mirror"

[[connections]]
id = "old-bot"
provider = "google"
service_account_file = "bot.json"
api_base = "{google}/calendar/v3"
token_url = "{google}/token"
poll_every = "1s"

[[routes]]
resource = "bay-5"
connection = "old-bot"
calendar = "bay5@sandbox.example"
profile = "resource-mirror"
"#;
