//! P7: a ledger relayed to JetStream, and the same messages sent by a bare client.
//!
//! Both arms: one `nats-server` with file storage, a fresh stream with the same settings, the same subjects and bodies, one
//! connection, the same number of messages on their way. The bare arm has its messages ready in memory, sends only a
//! message id beside them and reads no ledger; it keeps no order when one fails and remembers nothing.
//!
//! Wanted: `nats-server` beside the Python that SYNCLEDGER_TEST_PYTHON names, as `./test` installs it.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, context::PublishAckFuture, message::PublishMessage, stream};
use syncledger::{
    adapters::{
        memory::MemoryCheckpoints,
        nats::{Nats, NatsPublisher, Settings, Shape},
        sqlite::{Options, SqliteLedger},
        system::SystemClock,
    },
    domain::ids::{CorrelationId, Position},
    ports::{
        clock::Clock as _,
        event_store::{EventStore as _, ExpectedVersion},
        publisher::Publisher as _,
    },
    record::{
        cloud_event::CloudEvent,
        envelope::{Actor, NewEvent, Origin},
        stream::{Category, StreamName},
        subject,
    },
    services::relay::{NextStep, Relay, WINDOW},
};

use crate::report::{Arm, Measure};

const WORKSPACE: &str = "bench";
const EVENTS: u64 = 20_000;
const EVENTS_EACH: u64 = 500;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub fn relay(runs: usize) -> anyhow::Result<Measure> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (server, url) = serve(folder.path())?;
    let ledger = runtime.block_on(fill(folder.path()))?;
    let ready = runtime.block_on(messages(&ledger))?;
    let context = runtime.block_on(async { anyhow::Ok(jetstream::new(async_nats::connect(&url).await?)) })?;
    let what = "ledger relayed to JetStream, messages/s ÷ bare async-nats publisher, 512 on their way, file storage";
    let measure = Measure::of(
        ("P7", what, 0.8),
        runs,
        || runtime.block_on(ours(&ledger, &url, &context)),
        || runtime.block_on(bare(&ready, &context)),
    );
    drop(server);
    measure
}

fn serve(folder: &Path) -> anyhow::Result<(Server, String)> {
    let python = std::env::var("SYNCLEDGER_TEST_PYTHON")?;
    let program = Path::new(&python).with_file_name("nats-server");
    let ports = folder.join("ports");
    fs::create_dir(&ports)?;
    let config = folder.join("server.conf");
    let store = folder.join("store");
    fs::write(
        &config,
        format!("listen: \"127.0.0.1:-1\"\nports_file_dir: {ports:?}\njetstream {{ store_dir: {store:?} }}\n"),
    )?;
    let child =
        Command::new(program).arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let server = Server(child);
    loop {
        let file = fs::read_dir(&ports)?.next().transpose()?.map(|entry| entry.path());
        let listed = file.and_then(|file| fs::read_to_string(file).ok());
        let listed: Option<serde_json::Value> = listed.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(url) = listed.as_ref().and_then(|listed| listed["nats"][0].as_str()) {
            return Ok((server, url.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn fill(folder: &Path) -> anyhow::Result<Arc<SqliteLedger>> {
    let clock = Arc::new(SystemClock::new());
    let options = Options { path: folder.join("ledger.db"), workspace: WORKSPACE.to_owned() };
    let ledger = SqliteLedger::open(options, Arc::<SystemClock>::clone(&clock)).await?;
    for n in 0..EVENTS / EVENTS_EACH {
        let stream = StreamName { category: Category::Booking, id: format!("uschedule.{n:06}") };
        let events = (0..EVENTS_EACH).map(|_| event(&clock)).collect();
        ledger.append(&stream, ExpectedVersion::NoStream, events).await?;
    }
    Ok(Arc::new(ledger))
}

fn event(clock: &SystemClock) -> NewEvent {
    let now = clock.now();
    NewEvent {
        id: clock.event_id(),
        kind: "booking.rescheduled".to_owned(),
        schema: 1,
        recorded_at: now,
        effective_at: now,
        actor: Actor::new("source", "uschedule"),
        origin: Origin::Webhook,
        correlation: CorrelationId("delivery.uschedule.0123456789abcdef".to_owned()),
        causation: Some(clock.event_id()),
        data: format!(
            r#"{{"slot":{{"kind":"timed","starts_at":"2026-11-21T09:00:00Z","zone":"Europe/Zurich"}},"sealed":"{:0200x}"}}"#,
            clock.chance()
        ),
    }
}

/// Subjects, ids and bodies, ready to be sent.
async fn messages(ledger: &SqliteLedger) -> anyhow::Result<Vec<(String, String, Vec<u8>)>> {
    let mut ready = Vec::new();
    while (ready.len() as u64) < EVENTS {
        for event in ledger.read_all(Position(ready.len() as u64), 1_000).await? {
            let subject = subject::of_event(WORKSPACE, &event.stream, &event.event.kind);
            ready.push((subject, event.event.id.to_string(), CloudEvent::of(WORKSPACE, &event, true)?.to_json()));
        }
    }
    Ok(ready)
}

/// The rate of one pass; a message's own latency depends on the window alone, so every one gets the mean.
fn arm(took: Duration) -> Arm {
    Arm::of(took, vec![took / EVENTS as u32; EVENTS as usize])
}

async fn ours(ledger: &Arc<SqliteLedger>, url: &str, context: &jetstream::Context) -> anyhow::Result<Arm> {
    let settings = Settings { servers: url.to_owned(), workspace: WORKSPACE.to_owned(), ..Settings::default() };
    let nats = Nats::connect_now(settings).await.map_err(anyhow::Error::msg)?;
    let shape = Shape::of(WORKSPACE);
    let publisher = Arc::new(NatsPublisher::new(nats, shape.clone(), "bench"));
    publisher.prepare().await?;
    let clock = Arc::new(SystemClock::new());
    let ledger: Arc<SqliteLedger> = Arc::clone(ledger);
    let relay = Relay::new(ledger, clock, Arc::new(MemoryCheckpoints::default()), publisher, "bench");
    let began = Instant::now();
    while relay.step().await? != NextStep::AtPosition(Position(EVENTS)) {}
    let took = began.elapsed();
    finish(context, &shape.name).await?;
    Ok(arm(took))
}

async fn bare(ready: &[(String, String, Vec<u8>)], context: &jetstream::Context) -> anyhow::Result<Arm> {
    let name = "bare";
    let config = stream::Config {
        name: name.to_owned(),
        subjects: subject::all_events(WORKSPACE),
        duplicate_window: Duration::from_secs(120),
        allow_direct: true,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    let bodies = ready.to_vec();
    let began = Instant::now();
    let mut window: VecDeque<PublishAckFuture> = VecDeque::with_capacity(WINDOW);
    for (subject, id, body) in bodies {
        if window.len() >= WINDOW
            && let Some(oldest) = window.pop_front()
        {
            oldest.await?;
        }
        let publish = PublishMessage::build().payload(body.into()).message_id(id);
        window.push_back(context.send_publish(subject, publish).await?);
    }
    for pending in window {
        pending.await?;
    }
    let took = began.elapsed();
    finish(context, name).await?;
    Ok(arm(took))
}

/// Everything is there, and makes room for the next run.
async fn finish(context: &jetstream::Context, name: &str) -> anyhow::Result<()> {
    let messages = context.get_stream(name).await?.cached_info().state.messages;
    anyhow::ensure!(messages == EVENTS, "{name} holds {messages} messages");
    context.delete_stream(name).await?;
    Ok(())
}
