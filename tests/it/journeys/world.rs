//! Sandboxes in this process, and the service in processes of its own on one ledger.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncledger::{
    adapters::{
        sandbox::{
            google::{self, Google},
            model::{Model as _, Shared},
            server::{self, Running},
            uschedule::{self, Customer, NewAppointment, Status, USchedule},
        },
        system::{HttpTransport, SystemClock},
    },
    ports::{clock::Clock, transport::Transport},
};

use crate::support::{patience::eventually, postgres::Database};

pub const CALENDARS: [&str; 2] = ["bay1@sandbox.example", "bay2@sandbox.example"];

/// Sandboxes and a folder for the ledger.
pub struct World {
    google: Arc<Mutex<Google>>,
    uschedule: Arc<Mutex<USchedule>>,
    pub clock: Arc<dyn Clock>,
    pub folder: tempfile::TempDir,
    google_url: String,
    uschedule_url: String,
    stores: String,
    program: PathBuf,
    template: String,
    _servers: [Running; 2],
}

/// What a world is made of.
pub struct Parts {
    pub google: Google,
    pub uschedule: USchedule,
    /// The program that serves.
    pub program: PathBuf,
    /// Its configuration, with gaps for addresses.
    pub template: String,
}

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Service {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Waits until it has ended by itself, and gives its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        let mut status = None;
        eventually(async || {
            status = self.child.try_wait().expect("it is a child");
            status.is_some()
        })
        .await;
        status.and_then(|status| status.code())
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

impl Parts {
    /// Two calendars, the program as it is now, and a configuration for both bays.
    fn new() -> Self {
        let mut google = Google::new(google::Settings::default());
        for id in CALENDARS {
            google.add_calendar(id, id, chrono_tz::America::Chicago);
        }
        let uschedule = USchedule::new(uschedule::Settings::default());
        let program = env!("CARGO_BIN_EXE_syncledger").into();
        Self { google, uschedule, program, template: TEMPLATE.to_owned() }
    }
}

impl World {
    /// With the ledger and the read models in files.
    pub async fn start() -> Self {
        Self::with(Parts::new(), None).await
    }

    /// With the ledger and the read models in that PostgreSQL database.
    pub async fn on_postgres(database: &Database) -> Self {
        Self::with(Parts::new(), Some(database)).await
    }

    /// Of these parts, with the ledger and the read models in that PostgreSQL database, or else in files.
    pub async fn with(parts: Parts, database: Option<&Database>) -> Self {
        let Parts { google, uschedule, program, template } = parts;
        let stores = match database {
            None => "[ledger]\nurl = \"sqlite://ledger.db\"\n\n[read_models]\nurl = \"sqlite://read.db\"\n".to_owned(),
            Some(database) => {
                format!("[ledger]\nurl = \"{}\"\npassword_file = \"pg-password\"\n", database.address())
            }
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new().expect("the network is there"));
        let google = Arc::new(Mutex::new(google));
        let uschedule = Arc::new(Mutex::new(uschedule));
        let shared: Shared = google.clone();
        let first = server::start(shared, clock.clone(), transport.clone()).await.expect("a port is free");
        let shared: Shared = uschedule.clone();
        let second = server::start(shared, clock.clone(), transport).await.expect("a port is free");
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
        if let Some(database) = database {
            fs::write(folder.path().join("pg-password"), database.password()).expect("it can be written");
        }
        let (google_url, uschedule_url) = (first.base_url.clone(), second.base_url.clone());
        let servers = [first, second];
        Self {
            google,
            uschedule,
            clock,
            folder,
            google_url,
            uschedule_url,
            stores,
            program,
            template,
            _servers: servers,
        }
    }

    pub fn google(&self) -> MutexGuard<'_, Google> {
        self.google.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn uschedule(&self) -> MutexGuard<'_, USchedule> {
        self.uschedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Writes a configuration for a service on `port`. All share one ledger.
    pub fn config(&self, port: u16) -> PathBuf {
        let folder = self.folder.path();
        fs::write(folder.join("bot.json"), google::service_account::credentials(&self.google_url).to_string())
            .expect("it can be written");
        fs::write(folder.join("api-key"), "sandbox-key").expect("it can be written");
        fs::write(folder.join("webhook-secret"), "journey-secret").expect("it can be written");
        let file = folder.join(format!("syncledger-{port}.toml"));
        let text = self
            .template
            .replace("{stores}", &self.stores)
            .replace("{port}", &port.to_string())
            .replace("{google}", &self.google_url)
            .replace("{uschedule}", &self.uschedule_url);
        fs::write(&file, text).expect("it can be written");
        file
    }

    /// The configuration, with gaps for addresses.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Sends USchedule's webhooks to that port.
    pub fn deliver_to(&self, port: u16) {
        self.uschedule().settings_mut().webhook = Some(uschedule::Webhook {
            url: format!("http://127.0.0.1:{port}/webhook/uschedule"),
            secret: "journey-secret".into(),
        });
    }

    /// Starts a service and waits until it answers.
    pub async fn serve(&self, port: u16) -> Service {
        let config = self.config(port);
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("serve-{port}.log")))
            .expect("a log can be written");
        let child = Command::new(&self.program)
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::from(log.try_clone().expect("a log has two ends")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("the program starts");
        let service = Service { child };
        let client = reqwest::Client::new();
        let health = format!("http://127.0.0.1:{port}/health");
        let answered = eventually(async || client.get(&health).send().await.is_ok()).await;
        assert!(answered, "the service does not answer; its log:\n{}", self.log(port));
        service
    }

    pub fn log(&self, port: u16) -> String {
        fs::read_to_string(self.folder.path().join(format!("serve-{port}.log"))).unwrap_or_default()
    }

    /// Runs a command of the program on the same ledger.
    pub fn run(&self, config_of: u16, args: &[&str]) -> Output {
        let config = self.config(config_of);
        Command::new(&self.program).arg("--config").arg(config).args(args).output().expect("the program starts")
    }

    /// Whether every appointment comes to have the entries that it should have.
    pub async fn comes_in_step(&self) -> bool {
        eventually(async || self.out_of_step().is_empty()).await
    }

    /// A customer books; slots never overlap for different numbers.
    pub fn book(&self, number: i64) -> String {
        let starts_at = self.now() + TimeDelta::days(1) + TimeDelta::hours(number);
        let new = NewAppointment {
            starts_at,
            ends_at: starts_at + TimeDelta::minutes(50),
            time_zone: chrono_tz::America::Chicago,
            resource: format!("bay-{}", number % 2 + 1),
            service: format!("Lesson {number}"),
            notes: None,
            customer: Customer { id: format!("c{number}"), name: "Sam Green".into(), email: None, phone: None },
        };
        let now = self.now();
        self.uschedule().create(new, now).expect("its slot is free")
    }

    /// Every event of the ledger.
    pub fn events(&self, config_of: u16) -> Vec<Value> {
        let out = self.run(config_of, &["events", "all", "--json"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let lines = String::from_utf8(out.stdout).expect("it is text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
    }

    /// Read models that are not what a replay from zero gives.
    pub fn differing(&self, config_of: u16) -> Vec<String> {
        let differs = |name: &&str| !self.run(config_of, &["projections", "diff", name]).status.success();
        syncledger::projections::ALL.iter().map(|p| p.name).filter(differs).map(str::to_owned).collect()
    }

    /// What was written to Google: how often each entry was created and removed.
    pub fn writes(&self) -> BTreeMap<(String, String), u32> {
        let mut writes = BTreeMap::new();
        for call in self.google().desk().calls.all() {
            let created = call.method == "POST" && call.url.split('?').next().is_some_and(|u| u.ends_with("/events"));
            if created || call.method == "DELETE" {
                let what = if created { call.body["id"].to_string() } else { call.url.clone() };
                *writes.entry((call.method.clone(), what)).or_default() += 1;
            }
        }
        writes
    }

    /// Live entries of an appointment on both calendars.
    pub fn entries_of(&self, appointment: &str) -> usize {
        let google = self.google();
        CALENDARS.iter().map(|c| google.entries_with(c, "uscheduleAppointmentId", appointment).len()).sum()
    }

    /// Appointments that do not have exactly the entries that they should have.
    pub fn out_of_step(&self) -> Vec<String> {
        let appointments: Vec<(String, bool)> =
            self.uschedule().appointments().map(|a| (a.id.clone(), a.status == Status::Booked)).collect();
        appointments
            .into_iter()
            .filter_map(|(id, booked)| {
                let entries = self.entries_of(&id);
                (entries != usize::from(booked)).then(|| format!("{id}: {entries} entries, booked: {booked}"))
            })
            .collect()
    }
}

const TEMPLATE: &str = r#"
workspace  = "journey"
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
poll_every = "2s"

[[connections]]
id = "loft-bot"
provider = "google"
service_account_file = "bot.json"
api_base = "{google}/calendar/v3"
token_url = "{google}/token"
poll_every = "5s"

[profiles.resource-mirror]
preset = "resource-mirror"
removal_grace_s = 1

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
"#;
