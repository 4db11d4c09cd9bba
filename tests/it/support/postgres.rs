//! PostgreSQL for tests: a database of its own per test in the server that `./test` started, or a server of its own for
//! a test that stops it.
//!
//! `let database = Database::new().await;` and then `database.url()`. It is dropped after the test, by a process that the
//! test does not wait for.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{Connection as _, PgConnection, Postgres, QueryBuilder};
use tempfile::TempDir;
use uuid::Uuid;

/// Where the server of the run is: `postgres://user:password@host:port/database` of one who may create databases.
const ADDRESS: &str = "SYNCLEDGER_TEST_POSTGRES";

/// An empty database that nobody else uses.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Makes one in the server of the run.
    pub async fn new() -> Self {
        Self::within(&server_of_the_run()).await
    }

    /// Makes one in the server at `server`.
    pub async fn within(server: &str) -> Self {
        Self::made(server, "").await
    }

    /// Makes one that orders texts as English people do, unlike their bytes.
    pub async fn in_english() -> Self {
        Self::made(&server_of_the_run(), "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'").await
    }

    async fn made(server: &str, how: &str) -> Self {
        let name = format!("t{}", Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(server).await.unwrap_or_else(|e| panic!("{ADDRESS}: {e}"));
        named(["CREATE DATABASE ", &name, &format!(" {how}")]).build().execute(&mut connection).await.unwrap();
        connection.close().await.ok();
        Self { server: server.to_owned(), name }
    }

    /// Its address with the password in it, as `sqlx` takes it.
    pub fn url(&self) -> String {
        at(&self.server, &self.name)
    }

    /// Its address without the password, as the configuration takes it.
    pub fn address(&self) -> String {
        let url = self.url();
        let (before, after) = url.split_once('@').unwrap();
        format!("{}@{after}", before.rsplit_once(':').unwrap().0)
    }

    /// The password.
    pub fn password(&self) -> String {
        self.server.split_once('@').unwrap().0.rsplit_once(':').unwrap().1.to_owned()
    }

    /// A setting of every session that will be opened in it.
    pub async fn set(&self, setting: &str) {
        let mut connection = self.connect().await;
        named(["ALTER DATABASE ", &self.name, &format!(" SET {setting}")])
            .build()
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Its address for another role, whose password is its name.
    pub fn url_as(&self, role: &str) -> String {
        let url = self.url();
        format!("postgres://{role}:{role}@{}", url.split_once('@').unwrap().1)
    }

    /// Makes the role where it is not there yet, and gives it a right here: `right` ends in ` TO `.
    pub async fn give_role(&self, role: &str, right: &str) {
        let mut connection = self.connect().await;
        let password = format!(" LOGIN PASSWORD '{role}'");
        // It may be there already.
        named(["CREATE ROLE ", role, &password]).build().execute(&mut connection).await.ok();
        named([right, role, ""]).build().execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Takes a role away, with its rights here.
    pub async fn drop_role(&self, role: &str) {
        let mut connection = self.connect().await;
        named(["DROP OWNED BY ", role, ""]).build().execute(&mut connection).await.unwrap();
        named(["DROP ROLE ", role, ""]).build().execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

/// A server that belongs to one test, which may stop and start it. Stopped with the value.
pub struct Server {
    folder: TempDir,
    url: String,
}

impl Server {
    /// Makes and starts one.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("syncledger-test-").tempdir_in("/var/tmp").unwrap();
        // The server may run as another user, who must get through.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let url = tool(&["start", &at_home(folder.path())]);
        Self { folder, url }
    }

    /// Its address, with the password, and a database in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its files are.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("postgres/data")
    }

    /// What a crash of the server does: no checkpoint, no goodbye.
    pub fn stop_at_once(&self) {
        tool(&["stop", &at_home(self.folder.path()), "immediate"]);
    }

    /// Starts it again at the same address.
    pub fn start_again(&self) {
        let port = self.url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
        tool(&["start", &at_home(self.folder.path()), port]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let script = script();
        Command::new(script).args(["stop", &at_home(self.folder.path()), "immediate"]).output().ok();
    }
}

fn at_home(folder: &Path) -> String {
    folder.join("postgres").to_str().unwrap().to_owned()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/postgres.sh")
}

/// Runs the tool and answers what it printed. What the server inherits must be no pipe of ours: it would never end.
pub fn tool(arguments: &[&str]) -> String {
    let output = Command::new(script()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn server_of_the_run() -> String {
    std::env::var(ADDRESS).unwrap_or_else(|_| {
        panic!(
            "{ADDRESS} is not set: run ./test, which starts PostgreSQL, or start it by hand: \
             export {ADDRESS}=$(tests/tools/postgres.sh start /var/tmp/some-folder)"
        )
    })
}

/// The same server, another database.
fn at(server: &str, name: &str) -> String {
    let (before, _) = server.rsplit_once('/').unwrap();
    format!("{before}/{name}")
}

/// A statement about something that no parameter can name.
fn named(parts: [&str; 3]) -> QueryBuilder<Postgres> {
    let mut statement = QueryBuilder::new("");
    for part in parts {
        statement.push(part);
    }
    statement
}
