//! The program itself: two services on one ledger, a server that is killed, commands, and the command line.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use async_nats::{HeaderMap, jetstream};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::Server;
use crate::{
    journeys::world::free_port,
    support::patience::{eventually, soon},
};

struct Place {
    folder: TempDir,
    server: Server,
}

/// A running service; killed when dropped.
struct Service {
    child: Child,
    port: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Place {
    fn new() -> Self {
        let server = Server::with("authorization { user: feed, password: \"pass word\" }");
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), server }
    }

    fn config(&self, port: u16) -> PathBuf {
        let file = self.folder.path().join(format!("{port}.toml"));
        let text = format!(
            "workspace = \"loft\"\nlisten = \"127.0.0.1:{port}\"\n[ledger]\nurl = \"sqlite://ledger.db\"\n\
             [secrets]\nmaster_key_file = \"master.key\"\n\
             [nats]\nurl = \"{}\"\nuser = \"feed\"\npassword_file = \"password\"\n[nats.stream]\nmax_age = \"90d\"\n",
            self.server.url()
        );
        fs::write(&file, text).unwrap();
        fs::write(self.folder.path().join("password"), "pass word\n").unwrap();
        file
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncledger"));
        command.arg("--config").arg(self.config(1)).args(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.run(&[args, &["--json"]].concat());
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"))
    }

    fn serve(&self) -> Service {
        let port = free_port();
        let log = fs::File::create(self.folder.path().join(format!("{port}.log"))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_syncledger"))
            .args(["serve", "--config"])
            .arg(self.config(port))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        Service { child, port }
    }

    async fn client(&self) -> async_nats::Client {
        let options = async_nats::ConnectOptions::with_user_and_password("feed".into(), "pass word".into());
        options.connect(self.server.url()).await.unwrap()
    }

    async fn stream(&self, name: &str) -> Option<jetstream::stream::Stream> {
        jetstream::new(self.client().await).get_stream(name).await.ok()
    }

    /// The positions that the feed holds.
    async fn positions(&self) -> Vec<u64> {
        let Some(stream) = self.stream("syncledger-loft").await else { return Vec::new() };
        let state = stream.cached_info().state.clone();
        let mut positions = Vec::new();
        for sequence in 1..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            positions.push(event["position"].as_str().unwrap().parse().unwrap());
        }
        positions
    }

    fn ledger_end(&self) -> u64 {
        let out = self.run(&["events", "all", "--json"]);
        String::from_utf8_lossy(&out.stdout).lines().count() as u64
    }

    /// Until the feed has all of the ledger.
    async fn published(&self) {
        let whole = eventually(async || {
            let end = self.ledger_end();
            end > 0 && self.positions().await == (0..end).collect::<Vec<_>>()
        });
        let whole = whole.await;
        assert!(whole, "the feed has {:?} of {}", self.positions().await, self.ledger_end());
    }
}

async fn health(service: &Service) -> Value {
    let url = format!("http://127.0.0.1:{}/health", service.port);
    let mut health = Value::Null;
    let answered = eventually(async || {
        let Ok(answer) = reqwest::get(&url).await else { return false };
        health = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        true
    });
    assert!(answered.await, "the service does not answer");
    health
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_out_commands_come_in_and_a_lost_server_is_filled_again() {
    let mut place = Place::new();
    let (one, two) = (place.serve(), place.serve());
    health(&one).await;
    health(&two).await;
    // A command, as soon as somebody listens for it.
    let client = place.client().await;
    let mut answers = client.subscribe("_INBOX.me.1").await.unwrap();
    assert!(eventually(async || place.stream("syncledger-loft-commands").await.is_some()).await);
    let lesson = json!({
        "id": "1001", "resource": "bay-1", "confirmed": true,
        "slot": {"from": "2027-03-01", "until": "2027-03-02"}, "details": {"title": "Lesson with Ann"},
    });
    let mut headers = HeaderMap::new();
    headers.insert("Reply-To", "_INBOX.me.1");
    headers.insert("Nats-Msg-Id", "order-1");
    let jetstream = jetstream::new(client.clone());
    let subject = "syncledger.loft.commands.booking.create";
    let stored = jetstream.publish_with_headers(subject, headers, lesson.to_string().into()).await.unwrap().await;
    assert_eq!(stored.unwrap().stream, "syncledger-loft-commands");
    let answer = soon(answers.next()).await.unwrap();
    let booking: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!((&booking["id"], &booking["status"]), (&json!("api.1001"), &json!("confirmed")), "{booking}");
    assert!(place.run(&["bookings", "show", "api.1001"]).status.success());
    // Poison, for nobody in particular.
    jetstream.publish(subject, "{".into()).await.unwrap().await.unwrap();
    assert!(eventually(async || place.json(&["attempts", "dead"]).as_array().unwrap().len() == 1).await);
    let dead = place.json(&["attempts", "dead"]);
    assert!(dead[0]["error_summary"].as_str().unwrap().contains("not JSON"), "{dead}");
    let id = dead[0]["letter"].as_str().unwrap().to_owned();
    assert!(place.run(&["attempts", "reprocess", &id]).status.success());
    place.published().await;
    // The server dies and comes back as it was long ago.
    let copy = place.server.killed_copy();
    place.server.restart();
    place.run(&["attempts", "reprocess", &id]);
    place.published().await;
    place.server.set_back(&copy);
    assert!(place.run(&["doctor"]).status.code() == Some(1));
    let told = health(&one).await;
    assert!(told["status"] != "failing" && told["ledger_end"].as_u64().unwrap() > 3, "{told}");
    place.server.restart();
    place.published().await;
    let roles = [health(&one).await, health(&two).await].map(|h| h["publishing"]["role"].clone());
    assert!(roles.contains(&json!("active")), "{roles:?}");
    // By hand, while both run.
    let end = place.ledger_end();
    let sent = place.json(&["nats", "republish", "--from", "1", "--to", "2"]);
    assert_eq!((&sent["from"], &sent["to"], &sent["sent"]), (&json!(1), &json!(2), &json!(2)), "{sent}");
    assert_eq!(place.positions().await, (0..end).chain(1..3).collect::<Vec<_>>());
    let doctor = place.json(&["doctor"]);
    let check = doctor.as_array().unwrap().iter().find(|check| check["name"] == "NATS").unwrap();
    assert_eq!(check["state"], "ok", "{check}");
    let nothing = place.run(&["nats", "republish", "--from", "100000"]);
    assert_eq!(nothing.status.code(), Some(1));
}
