//! Migrations are numbered without gaps, have twins, and are never edited.

use std::{collections::BTreeMap, fs, path::Path};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use syncledger::keys::wrapped::WRAPPED;

use super::{ROOT, blessing, caught, nothing_in, read, write};

/// One line per file: SHA-256 and path.
const CHECKSUMS: &str = "migrations/checksums.txt";

/// The folders, one per database; the first is the one that always exists.
const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// Every migration of a database by its name, in order; `None` where there is no such folder.
fn listing(database: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let folder = Path::new(ROOT).join("migrations").join(database);
    let entries = fs::read_dir(folder).ok()?.map(|entry| entry.expect("the entry is readable"));
    let named = entries.map(|e| (e.file_name().to_string_lossy().into_owned(), fs::read(e.path())));
    Some(named.map(|(name, text)| (name, text.expect("the file is readable"))).collect())
}

fn numbering(database: &str, names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let number = format!("{:04}_", index + 1);
        let form = name
            .strip_suffix(".sql")
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        if !name.starts_with(&number) || !form {
            found.push(format!("migrations/{database}/{name}: expected {number}<what_it_does>.sql"));
        }
    }
    found
}

fn twins(ours: (&str, &[&str]), theirs: (&str, &[&str])) -> Vec<String> {
    let lacks = |a: (&str, &[&str]), b: (&str, &[&str])| -> Vec<String> {
        let missing = a.1.iter().filter(|name| !b.1.contains(name));
        missing.map(|name| format!("migrations/{}/{name} has no twin in migrations/{}", a.0, b.0)).collect()
    };
    [lacks(ours, theirs), lacks(theirs, ours)].concat()
}

/// Migrations that the program does not run: `source` lists them, in order, with number and name as they are recorded.
fn left_out(database: &str, names: &[&str], source: &str) -> Vec<String> {
    let line = |name: &&str| {
        let (number, words) = name.trim_end_matches(".sql").split_once('_').unwrap_or_default();
        let (number, words) = (number.trim_start_matches('0'), words.replace('_', " "));
        format!("one({number}, \"{words}\", include_str!(\"../../../migrations/{database}/{name}\"))")
    };
    let missing = names.iter().filter(|name| !source.contains(&line(name)));
    missing.map(|name| format!("src/adapters/{database}/migrations.rs lacks {}", line(name))).collect()
}

/// Tables of secrets that are not wrapped anew when the master key changes.
fn not_rotated(path: &str, sql: &str, rotated: &[&str]) -> Vec<String> {
    let tables = sql.split("CREATE TABLE ").skip(1).filter_map(|rest| rest.split(");").next()?.split_once('('));
    let secret = |columns: &str| columns.lines().any(|line| line.trim_start().starts_with("wrapped "));
    let forgotten = tables.filter(|(name, columns)| secret(columns) && !rotated.contains(&name.trim()));
    forgotten.map(|(name, _)| format!("{path}: {} is not in WRAPPED of src/keys/wrapped.rs", name.trim())).collect()
}

fn digest(text: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

/// What differs between the files and the list of their checksums.
fn altered(files: &BTreeMap<String, String>, frozen: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, sum) in frozen {
        match files.get(path) {
            None => found.push(format!("{path} is gone: a ledger that ran it would not open any more")),
            Some(now) if now != sum => found.push(format!("{path} was edited: mend it with the next number instead")),
            Some(_) => {}
        }
    }
    let new = files.keys().filter(|path| !frozen.contains_key(*path));
    found.extend(new.map(|path| format!("{path} is not in {CHECKSUMS}: run SYNCLEDGER_BLESS=1 ./test guards")));
    found
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(sum, path)| (path.to_owned(), sum.to_owned())).collect()
}

#[test]
fn migrations_are_numbered_and_have_twins() {
    let listings: Vec<_> = DATABASES.iter().filter_map(|d| Some((*d, listing(d)?))).collect();
    let names: Vec<(&str, Vec<&str>)> =
        listings.iter().map(|(d, files)| (*d, files.keys().map(String::as_str).collect())).collect();
    assert!(!names[0].1.is_empty(), "no migration was found");
    nothing_in(&names.iter().flat_map(|(d, names)| numbering(d, names)).collect::<Vec<_>>());
    for (database, names) in &names {
        let source = read(&format!("src/adapters/{database}/migrations.rs")).unwrap();
        nothing_in(&left_out(database, names, &source));
    }
    for pair in names.windows(2) {
        nothing_in(&twins((pair[0].0, &pair[0].1), (pair[1].0, &pair[1].1)));
    }
}

#[test]
fn migrations_are_never_edited() {
    let mut files = BTreeMap::new();
    for database in DATABASES {
        for (name, text) in listing(database).into_iter().flatten() {
            files.insert(format!("migrations/{database}/{name}"), digest(&text));
        }
    }
    let mut frozen = parse(&read(CHECKSUMS).unwrap_or_default());
    if blessing() {
        // Only what is new is added: a line that is there is never changed.
        for (path, sum) in &files {
            frozen.entry(path.clone()).or_insert_with(|| sum.clone());
        }
        let lines = frozen.iter().map(|(path, sum)| format!("{sum}  {path}\n"));
        write(CHECKSUMS, &lines.collect::<String>());
    }
    nothing_in(&altered(&files, &frozen));
}

#[test]
fn every_table_of_secrets_is_rotated() {
    let rotated: Vec<&str> = WRAPPED.iter().map(|table| table.name).collect();
    for database in DATABASES {
        for (name, text) in listing(database).into_iter().flatten() {
            nothing_in(&not_rotated(&name, &String::from_utf8(text).expect("it is UTF-8"), &rotated));
        }
    }
    let sql = "CREATE TABLE a (\n    b TEXT,\n    wrapped BLOB\n);\nCREATE TABLE c (\n    wrapped_b TEXT\n);";
    caught(&not_rotated("x.sql", sql, &["d"]), "a is not in WRAPPED");
    nothing_in(&not_rotated("x.sql", sql, &["a"]));
}

#[test]
fn a_migration_out_of_order_or_without_twin_is_caught() {
    caught(&numbering("sqlite", &["0001_a.sql", "0003_b.sql"]), "0003_b.sql");
    caught(&numbering("sqlite", &["0001_A.sql"]), "0001_A.sql");
    let source = r#"one(1, "a b", include_str!("../../../migrations/sqlite/0001_a_b.sql")),"#;
    nothing_in(&left_out("sqlite", &["0001_a_b.sql"], source));
    caught(&left_out("sqlite", &["0001_a_b.sql", "0002_c.sql"], source), "one(2, \"c\"");
    caught(&numbering("sqlite", &["0001_a.txt"]), "0001_a.txt");
    nothing_in(&numbering("sqlite", &["0001_a.sql", "0002_b_2.sql"]));
    caught(
        &twins(("sqlite", &["0001_a.sql", "0002_b.sql"]), ("postgres", &["0001_a.sql"])),
        "no twin in migrations/postgres",
    );
    caught(
        &twins(("sqlite", &["0001_a.sql"]), ("postgres", &["0001_a.sql", "0002_b.sql"])),
        "no twin in migrations/sqlite",
    );
}

#[test]
fn an_edited_migration_is_caught() {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let frozen = parse("11  a\n22  b\n");
    nothing_in(&altered(&map(&[("a", "11"), ("b", "22")]), &frozen));
    caught(&altered(&map(&[("a", "11"), ("b", "23")]), &frozen), "b was edited");
    caught(&altered(&map(&[("a", "11")]), &frozen), "b is gone");
    caught(&altered(&map(&[("a", "11"), ("b", "22"), ("c", "33")]), &frozen), "c is not in");
}
