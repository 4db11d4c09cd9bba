//! Several processes, and processes that are killed: this test binary starts itself again as the helper.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use syncledger::{
    adapters::sqlite::SqliteLedger,
    ports::{
        event_store::{EventStore as _, Expected, Failure},
        upkeep::Upkeep as _,
    },
};

use super::given::{append, event, folder, open_sqlite, sound, stream};

const FOLDER: &str = "SYNCLEDGER_TEST_FOLDER";
const APPENDS: &str = "SYNCLEDGER_TEST_APPENDS";
const TASKS: u64 = 6;
/// More than a helper can do before it is killed.
const WITHOUT_END: u64 = 1_000_000;
const KILLS: usize = 15;

/// What a helper was answered: event ids with their positions.
type Acknowledged = HashMap<String, u64>;

/// Appends until it has done its number, and prints each acknowledgement after it was given. Started by hand, as part of
/// the suite, it does so on a folder of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helper() {
    let own = folder();
    let path = std::env::var_os(FOLDER).map_or_else(|| own.path().to_owned(), PathBuf::from);
    let appends = std::env::var(APPENDS).map_or(10, |n| n.parse().unwrap());
    let ledger = Arc::new(open_sqlite(&path).await);
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(append_and_tell(Arc::clone(&ledger), task, appends))).collect();
    let mut told = 0;
    for task in tasks {
        told += task.await.unwrap();
    }
    assert!(told >= appends * TASKS / 2, "only {told} appends went through");
    ledger.close().await;
}

/// Every other append goes to a stream that all tasks and processes share, at the version the task saw last.
async fn append_and_tell(ledger: Arc<SqliteLedger>, task: u64, appends: u64) -> u64 {
    let mut told = 0;
    for n in 0..appends {
        let shared = format!("shared{}", n % 5);
        let (to, expected) = if n % 2 == 0 {
            (format!("own{}.{task}", std::process::id()), Expected::Any)
        } else {
            let last = ledger.last(&stream(&shared)).await.unwrap();
            (shared, Expected::after(last.map(|it| it.version)))
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
            Err(Failure::Conflict { .. }) if expected != Expected::Any => {}
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

fn start_appending(folder: &Path, appends: u64) -> Child {
    let settings = [(FOLDER, folder.to_str().unwrap()), (APPENDS, &appends.to_string())];
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

/// Every acknowledged event stands where its caller was told.
async fn check(folder: &Path, acknowledged: &Acknowledged) -> usize {
    let ledger = open_sqlite(folder).await;
    let all = sound(&ledger).await;
    let places: HashMap<_, _> = all.iter().map(|it| (it.event.id.to_string(), it.position.0)).collect();
    for (id, position) in acknowledged {
        assert_eq!(places.get(id), Some(position), "event {id} was acknowledged at {position}");
    }
    ledger.close().await;
    all.len()
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = folder();
    let mut acknowledged = Acknowledged::new();
    for round in 0..KILLS {
        let mut helper = start_appending(folder.path(), WITHOUT_END);
        let mut told = BufReader::new(helper.stdout.take().unwrap());
        let before = acknowledged.len();
        listen(&mut told, 20 + round * 37 % 400, &mut acknowledged);
        // SIGKILL: no destructor, no flush, in the middle of whatever it is doing.
        helper.kill().unwrap();
        listen(&mut told, usize::MAX, &mut acknowledged);
        assert!(!helper.wait().unwrap().success());
        assert!(acknowledged.len() > before);
        check(folder.path(), &acknowledged).await;
    }
}

#[tokio::test]
async fn processes_share_one_ledger() {
    let folder = folder();
    // They start at once on a file that is not there yet, so they also race to create it.
    let mut helpers: Vec<_> = (0..3).map(|_| start_appending(folder.path(), 60)).collect();
    let mut acknowledged = Acknowledged::new();
    for helper in &mut helpers {
        listen(&mut BufReader::new(helper.stdout.take().unwrap()), usize::MAX, &mut acknowledged);
    }
    for helper in &mut helpers {
        assert!(helper.wait().unwrap().success());
    }
    assert_eq!(
        check(folder.path(), &acknowledged).await,
        acknowledged.len(),
        "nothing is there that nobody was told of"
    );
}
