//! What commands need of the machine and the network before anything is opened: the environment, whether a folder takes
//! what is written, what time it is elsewhere.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    adapters::system::{HttpTransport, SystemClock, env},
    ports::{
        clock::Clock as _,
        transport::{Request, Transport as _},
    },
};

/// How long a question for the time may take.
const ASK_MAX: Duration = Duration::from_secs(10);

/// The machine's clock.
pub fn clock() -> SystemClock {
    SystemClock::new()
}

/// How many threads run at the same time here.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// All variables of the environment.
pub fn environment() -> BTreeMap<String, String> {
    env::all()
}

/// Writes a small file into `folder` (made where it is not there), makes it durable, and removes it.
///
/// # Errors
/// What the file system says.
pub fn writable(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!(".syncledger-doctor-{}", SystemClock::new().event_id()));
    let written = File::create_new(&path).and_then(|mut file| {
        file.write_all(b"syncledger")?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

/// How far our clock is ahead of a server's, by the `Date` of its answer; half of the exchange is taken off.
///
/// # Errors
/// In words: no answer, or one without a date.
pub async fn ahead_of(url: &str) -> Result<TimeDelta, String> {
    let clock = SystemClock::new();
    let transport = HttpTransport::new().map_err(|e| e.to_string())?;
    let asked = clock.now();
    let answer = transport.send(Request::new("GET", url), ASK_MAX).await.map_err(|e| e.to_string())?;
    let answered = clock.now();
    let date = answer.header_value("date").ok_or("its answer has no date")?;
    let date: DateTime<Utc> = DateTime::parse_from_rfc2822(date).map_err(|_| "its date cannot be read")?.to_utc();
    Ok(asked + (answered - asked) / 2 - date)
}
