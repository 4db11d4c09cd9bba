//! The command line on a ledger in PostgreSQL.

use super::{BOOKINGS, Folder, Ran};
use crate::support::postgres::Database;

const PASSWORD: &str = "LEDGER_PASSWORD";

fn configured(database: &Database) -> Folder {
    let folder = Folder::new();
    let url = database.address();
    folder.write(
        "syncledger.toml",
        &format!(
            "[ledger]\nurl = \"{url}\"\npassword_env = \"{PASSWORD}\"\n[read_models]\nurl = \"sqlite://data/read.db\"\n"
        ),
    );
    folder.write("bookings.csv", BOOKINGS);
    folder
}

fn run(folder: &Folder, password: &str, arguments: &[&str]) -> Ran {
    let done = folder.command(arguments).env(PASSWORD, password).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

#[tokio::test]
async fn bookings_are_kept_in_the_server_and_questions_make_no_ledger() {
    let database = Database::new().await;
    let folder = configured(&database);
    let password = database.password();
    let key = folder.path().join("data/master.key");

    for question in [&["bookings", "list"][..], &["events", "all"], &["projections", "list"]] {
        let ran = run(&folder, &password, question);
        assert_eq!(ran.code, 1, "{question:?}: {}", ran.err);
        assert!(ran.err.contains("there is no ledger at postgres://syncledger@"), "{}", ran.err);
        assert!(!ran.err.contains(&password), "{}", ran.err);
    }
    let doctor = run(&folder, &password, &["doctor"]);
    assert!(doctor.out.contains("not created yet (postgres://"), "{}", doctor.out);
    assert!(!key.exists());

    let ran = run(&folder, &password, &["bookings", "import", "bookings.csv", "--zone", "UTC"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "2 registered, 0 changed, 0 unchanged, 0 refused\n"), "{}", ran.err);
    assert!(key.exists());
    let listed = run(&folder, &password, &["bookings", "list", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains("Lesson with Ann"), "{}", listed.out);

    let doctor = run(&folder, &password, &["doctor", "--json"]);
    let checks: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    let found = |name: &str| {
        let check = checks.as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
        (check["state"].as_str().unwrap().to_owned(), check["found"].as_str().unwrap().to_owned())
    };
    assert!(found("ledger's server").1.starts_with("PostgreSQL "), "{checks:#}");
    assert_eq!(found("durable commits").0, "ok");
    assert_eq!(found("page checksums").0, "warn");

    // The ledger is there, so no second key is made for it.
    std::fs::remove_file(&key).unwrap();
    let ran = run(&folder, &password, &["bookings", "list"]);
    assert!(
        ran.code != 0 && ran.err.contains("the master key file") && ran.err.contains("does not exist"),
        "{}",
        ran.err
    );
    assert!(!key.exists());
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_told_with_its_address_and_no_password() {
    let database = Database::new().await;
    let folder = configured(&database);
    for question in [&["bookings", "list"][..], &["doctor"]] {
        let ran = run(&folder, "not-the-password", question);
        assert_eq!(ran.code, 1);
        let said = format!("{}{}", ran.out, ran.err).replace('\n', " ");
        assert!(said.contains("password authentication failed"), "{said}");
        assert!(!said.contains("not-the-password"), "{said}");
    }
}
