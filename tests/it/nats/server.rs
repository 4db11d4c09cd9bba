//! A `nats-server` of its own for each test, that can be killed, set back to an older copy, and started again.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::patience::eventually_blocking;

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    port: u16,
    extra: String,
    folder: TempDir,
}

/// The program. A missing one is a failure: what it shows would not be shown.
fn program() -> PathBuf {
    let python = std::env::var("SYNCLEDGER_TEST_PYTHON")
        .expect("SYNCLEDGER_TEST_PYTHON names a Python beside which nats-server is installed");
    let program = Path::new(&python).parent().expect("it stands in a folder").join("nats-server");
    assert!(program.exists(), "{} is missing: ./test installs it", program.display());
    program
}

impl Server {
    /// Starts one with JetStream on a free port.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one whose configuration says this as well.
    pub fn with(extra: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(folder.path().join("store")).unwrap();
        let (child, port) = launch(folder.path(), -1, extra);
        Self { child, port, extra: extra.to_owned(), folder }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on the same port, with what its folder holds.
    pub fn restart(&mut self) {
        self.child = launch(self.folder.path(), self.port.into(), &self.extra).0;
    }

    /// Kills it and keeps a copy of all that it has stored.
    pub fn killed_copy(&mut self) -> TempDir {
        self.kill();
        let copy = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        copy_all(&self.folder.path().join("store"), copy.path());
        copy
    }

    /// Kills it and puts what it has stored back to that copy.
    pub fn set_back(&mut self, copy: &TempDir) {
        self.kill();
        let store = self.folder.path().join("store");
        fs::remove_dir_all(&store).unwrap();
        copy_all(copy.path(), &store);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn launch(folder: &Path, port: i32, extra: &str) -> (Child, u16) {
    let ports = folder.join("ports");
    drop(fs::remove_dir_all(&ports));
    fs::create_dir(&ports).unwrap();
    let config = format!(
        "listen: \"127.0.0.1:{port}\"\nports_file_dir: {ports:?}\n\
         jetstream {{ store_dir: {:?}, max_file_store: 2GB, max_memory_store: 64MB }}\n{extra}\n",
        folder.join("store")
    );
    let file = folder.join("server.conf");
    fs::write(&file, config).unwrap();
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("server.log")).unwrap();
    let mut child = Command::new(program())
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    let mut port = None;
    eventually_blocking(|| {
        port = listening(&ports);
        port.is_some() || child.try_wait().unwrap().is_some()
    });
    let log = || fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    let port = port.unwrap_or_else(|| panic!("nats-server does not start:\n{}", log()));
    (child, port)
}

/// The port, once it answers there.
fn listening(ports: &Path) -> Option<u16> {
    let file = fs::read_dir(ports).unwrap().next()?.unwrap().path();
    let listed: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let port = listed["nats"][0].as_str()?.rsplit_once(':')?.1.parse().ok()?;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut begins = [0; 4];
    stream.read_exact(&mut begins).ok()?;
    (begins == *b"INFO").then_some(port)
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
