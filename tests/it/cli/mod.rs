//! The command line, through the real program, in folders of their own.

mod bookings;
mod configuration;
mod operations;
mod postgres;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder in which the program runs.
struct Folder(TempDir);

/// How a run ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

const BOOKINGS: &str = "id,resource,starts_at,ends_at,title,status
1001,bay-1,2027-03-01T10:00,2027-03-01T11:00,Lesson with Ann,confirmed
1002,bay-2,2027-03-02T10:00,2027-03-02T11:00,Fitting,confirmed
";

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With two bookings imported.
    fn with_bookings() -> Self {
        let folder = Self::new();
        folder.write("bookings.csv", BOOKINGS);
        let ran = folder.run(&["bookings", "import", "bookings.csv", "--zone", "America/Chicago"]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, "2 registered, 0 changed, 0 unchanged, 0 refused\n"),
            "{}",
            ran.err
        );
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncledger"));
        command.current_dir(self.path()).args(arguments).env_clear();
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let done = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
    }

    /// Runs it with `--json`, and reads what it prints.
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{arguments:?}: {e}\n{}", ran.out))
    }

    /// Runs it with `text` on its standard input.
    fn fed(&self, arguments: &[&str], text: &str) -> i32 {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait().unwrap().code().unwrap()
    }
}
