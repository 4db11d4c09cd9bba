//! Several processes, and processes that are killed: this test binary starts itself again as the helper.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use syncledger::{
    adapters::{memory::MemorySigningKeys, system::SystemClock},
    domain::ids::Position,
    ports::{
        event_store::{EventStore, ExpectedVersion, Failure},
        upkeep::Upkeep,
    },
    services::audit::VerifyOptions,
};

use super::given::{append, event, folder, open_postgres, open_sqlite, sound, stream};
use crate::support::{postgres::Database, size::sized};

/// A folder, or the address of a database.
const PLACE: &str = "SYNCLEDGER_TEST_PLACE";
const TASKS: &str = "SYNCLEDGER_TEST_TASKS";
const APPENDS: &str = "SYNCLEDGER_TEST_APPENDS";
/// More than a helper can do before it is killed.
const WITHOUT_END: u64 = 1_000_000;

/// What a helper was answered: event ids with their positions.
type Acknowledged = HashMap<String, u64>;

/// A ledger as the two ports that these tests need.
type Ledger = (Arc<dyn EventStore>, Arc<dyn Upkeep>);

async fn open(place: &str) -> Ledger {
    if place.starts_with("postgres://") {
        let ledger = open_postgres(place).await;
        return (Arc::new(ledger.clone()), Arc::new(ledger));
    }
    let ledger = open_sqlite(Path::new(place)).await;
    (Arc::new(ledger.clone()), Arc::new(ledger))
}

/// Appends until it has done its number, and prints each acknowledgement after it was given. Started by hand, as part of
/// the suite, it does so on a folder of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helper() {
    let own = folder();
    let place = std::env::var(PLACE).unwrap_or_else(|_| own.path().to_str().unwrap().to_owned());
    let number = |name, otherwise| std::env::var(name).map_or(otherwise, |n: String| n.parse().unwrap());
    let (tasks, appends): (u64, u64) = (number(TASKS, 6), number(APPENDS, 10));
    let (ledger, upkeep) = open(&place).await;
    let running: Vec<_> =
        (0..tasks).map(|task| tokio::spawn(append_and_tell(Arc::clone(&ledger), task, appends))).collect();
    let mut told = 0;
    for task in running {
        told += task.await.unwrap();
    }
    assert!(told >= appends * tasks / 2, "only {told} appends went through");
    upkeep.close().await;
}

/// Every other append goes to a stream that all tasks and processes share, at the version the task saw last.
async fn append_and_tell(ledger: Arc<dyn EventStore>, task: u64, appends: u64) -> u64 {
    let mut told = 0;
    for n in 0..appends {
        let shared = format!("shared{}", n % 5);
        let (to, expected) = if n % 2 == 0 {
            (format!("own{}.{task}", std::process::id()), ExpectedVersion::Any)
        } else {
            let last = ledger.last(&stream(&shared)).await.unwrap();
            (shared, ExpectedVersion::after(last.map(|it| it.version)))
        };
        let events: Vec<_> = (0..=n % 3).map(event).collect();
        match append(ledger.as_ref(), &to, expected, &events).await {
            Ok((_, position, repeated)) => {
                assert!(!repeated);
                let first = position + 1 - events.len() as u64;
                let line: String =
                    events.iter().zip(first..).map(|(event, at)| format!("\nACK {} {at}", event.id)).collect();
                // One call, so that lines of several tasks do not mix. The leading line end frees it from the harness' text.
                println!("{line}");
                told += 1;
            }
            Err(Failure::Conflict { .. }) if expected != ExpectedVersion::Any => {}
            Err(other) => panic!("{other}"),
        }
    }
    told
}

pub fn start(test: &str, settings: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs(settings.iter().copied());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn start_appending(place: &str, tasks: u64, appends: u64) -> Child {
    let settings = [(PLACE, place), (TASKS, &tasks.to_string()), (APPENDS, &appends.to_string())];
    start("conformance::processes::helper", &settings)
}

/// Reads acknowledgements until there are `enough` or the helper has ended. A line that was cut off by its death is none.
fn listen(from: &mut BufReader<ChildStdout>, enough: usize, into: &mut Acknowledged) {
    let mut line = String::new();
    let mut heard = 0;
    while heard < enough && from.read_line(&mut line).unwrap() > 0 {
        if let Some(("ACK", rest)) = line.strip_suffix('\n').and_then(|line| line.split_once(' ')) {
            let (id, position) = rest.split_once(' ').unwrap();
            assert!(into.insert(id.to_owned(), position.parse().unwrap()).is_none());
            heard += 1;
        }
        line.clear();
    }
}

/// Every acknowledged event stands where its caller was told, in a ledger that is sound in all its parts.
async fn check(place: &str, acknowledged: &Acknowledged) -> usize {
    let (ledger, upkeep) = open(place).await;
    let all = sound(ledger.as_ref()).await;
    let places: HashMap<_, _> = all.iter().map(|it| (it.event.id.to_string(), it.position.0)).collect();
    for (id, position) in acknowledged {
        assert_eq!(places.get(id), Some(position), "event {id} was acknowledged at {position}");
    }
    let (files, clock) = (folder(), Arc::new(SystemClock::new()));
    let keys = Arc::new(MemorySigningKeys::new("loft", clock));
    let audit = crate::audit::given::audit(ledger, keys, files.path());
    let report = audit.verify(&VerifyOptions::default(), &mut |_, _| {}).await.unwrap();
    assert!(report.sound && report.events == all.len() as u64, "{report:?}");
    assert_eq!(upkeep.inspect().await, Ok(Vec::new()));
    upkeep.close().await;
    all.len()
}

/// The same for what came since position `from`, which is cheaper, and the end.
async fn check_new(place: &str, from: u64, acknowledged: &Acknowledged) -> u64 {
    let (ledger, upkeep) = open(place).await;
    let (mut end, mut places) = (from, HashMap::new());
    loop {
        let page = ledger.read_all(Position(end), 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        for it in page {
            assert_eq!(it.position.0, end);
            places.insert(it.event.id.to_string(), end);
            end += 1;
        }
    }
    for (id, position) in acknowledged {
        assert_eq!(places.get(id), Some(position), "event {id} was acknowledged at {position}");
    }
    upkeep.close().await;
    end
}

/// Kills a process with 64 clients that append, again and again, and misses nothing that was acknowledged.
async fn killed(place: &str, kills: usize) {
    let (mut all, mut end) = (Acknowledged::new(), 0);
    for round in 0..kills {
        let mut helper = start_appending(place, 64, WITHOUT_END);
        let mut told = BufReader::new(helper.stdout.take().unwrap());
        let mut acknowledged = Acknowledged::new();
        listen(&mut told, 20 + round * 37 % 200, &mut acknowledged);
        // SIGKILL: no destructor, no flush, in the middle of whatever it is doing.
        helper.kill().unwrap();
        listen(&mut told, usize::MAX, &mut acknowledged);
        assert!(!helper.wait().unwrap().success());
        assert!(!acknowledged.is_empty());
        end = check_new(place, end, &acknowledged).await;
        all.extend(acknowledged);
    }
    let events = check(place, &all).await;
    println!("{kills} kills, {} acknowledged events of {events}", all.len());
}

async fn shared(place: &str) {
    // They start at once where there is nothing yet, so they also race to create it.
    let mut helpers: Vec<_> = (0..3).map(|_| start_appending(place, 6, 60)).collect();
    let mut acknowledged = Acknowledged::new();
    for helper in &mut helpers {
        listen(&mut BufReader::new(helper.stdout.take().unwrap()), usize::MAX, &mut acknowledged);
    }
    for helper in &mut helpers {
        assert!(helper.wait().unwrap().success());
    }
    assert_eq!(check(place, &acknowledged).await, acknowledged.len(), "nothing is there that nobody was told of");
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills() {
    killed(folder().path().to_str().unwrap(), sized(15, 100)).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills_on_postgres() {
    killed(&Database::new().await.url(), sized(8, 100)).await;
}

#[tokio::test]
async fn processes_share_one_ledger() {
    shared(folder().path().to_str().unwrap()).await;
}

#[tokio::test]
async fn processes_share_one_ledger_on_postgres() {
    shared(&Database::new().await.url()).await;
}
