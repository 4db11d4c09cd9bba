//! The machine and the network, for commands before anything is opened: environment, disk checks, clocks of
//! servers.

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

/// Time limit for asking a server's time.
const ASK_MAX: Duration = Duration::from_secs(10);

/// The machine's clock.
pub fn clock() -> SystemClock {
    SystemClock::new()
}

/// Number of threads that can run in parallel.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// All environment variables.
pub fn environment() -> BTreeMap<String, String> {
    env::all()
}

/// Writes a small file into `folder` (created if missing), fsyncs it, and deletes it.
///
/// # Errors
/// The error of the file system.
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

/// How far our clock is ahead of a server's, by the `Date` header of its answer, minus half of the round trip.
///
/// # Errors
/// No answer, or one without a valid date.
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
