//! Who may name whom: the floors of `docs/ARCHITECTURE.md`, and which folder may name which crate.

use super::{
    caught, nothing_in,
    paths::{module_of, named, starts_word},
    source::{Source, rust},
};

/// The core: what every floor above may use.
const CORE: [&str; 4] = ["domain", "record", "reconcile", "projections"];

/// What the wiring may use.
const EVERYTHING: &[&str] = &[
    "domain",
    "record",
    "reconcile",
    "projections",
    "ports",
    "keys",
    "ledger",
    "services",
    "adapters",
    "http",
    "gateway",
    "config",
    "app",
    "serve",
];

/// A part of the program, and what of the program it may name besides itself.
const FLOORS: &[(&str, &[&str])] = &[
    ("src/domain/", &[]),
    ("src/record/", &["domain"]),
    ("src/reconcile/", &["domain", "record"]),
    ("src/projections/", &["domain", "record"]),
    ("src/ports/", &CORE),
    ("src/keys/", &["domain", "record", "ports"]),
    ("src/ledger/", &["domain", "record", "ports"]),
    ("src/services/", &["domain", "record", "reconcile", "projections", "ports", "ledger"]),
    ("src/adapters/", &["domain", "record", "reconcile", "projections", "ports", "keys", "ledger"]),
    ("src/http/", &["domain", "record", "reconcile", "projections", "ports", "services"]),
    ("src/gateway/", &["domain", "record", "ports", "ledger", "services"]),
    // A command parses, calls and prints: what it works on is put together by the floor above.
    (
        "src/cli/",
        &[
            "domain",
            "record",
            "reconcile",
            "projections",
            "ports",
            "services",
            "config",
            "app",
            "serve",
            "demo",
            "simulation",
        ],
    ),
    ("src/config", &["domain", "record", "reconcile", "projections", "ports"]),
    ("src/app", EVERYTHING),
    ("src/serve", EVERYTHING),
    ("src/demo/", EVERYTHING),
    // Runs the services themselves, against models of everything around them.
    ("src/simulation/", EVERYTHING),
    ("src/main.rs", &["app", "cli", "config", "serve", "demo", "simulation"]),
];

/// What adapters share; it names none of them.
const SHARED_BY_ADAPTERS: [&str; 2] = ["adapters", "shared"];

/// A crate, and the only places that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["src/adapters/sqlite/", "src/adapters/postgres/"]),
    ("rusqlite", &["src/adapters/sqlite/"]),
    ("reqwest", &["src/adapters/system/"]),
    ("axum", &["src/http/", "src/adapters/sandbox/", "src/app"]),
    ("tower", &["src/http/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("comfy_table", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("rand", &["src/adapters/system/"]),
    ("csv", &["src/adapters/", "src/cli/"]),
    ("calcard", &["src/adapters/"]),
    ("jsonwebtoken", &["src/adapters/"]),
    ("prometheus_client", &["src/http/", "src/services/", "src/app"]),
    ("toml", &["src/config", "src/cli/", "src/app"]),
    ("tracing_subscriber", &["src/app", "src/cli/", "src/main.rs"]),
    ("async_nats", &["src/adapters/nats/"]),
    ("eventstore", &["src/adapters/eventstoredb/"]),
    ("tonic", &["src/gateway/"]),
    ("prost", &["src/gateway/"]),
    ("tokio_rustls", &["src/gateway/", "src/adapters/eventstoredb/", "src/adapters/nats/"]),
    ("fancy_regex", &["src/gateway/"]),
    ("anyhow", &["src/app", "src/serve", "src/demo/", "src/cli/", "src/main.rs"]),
];

/// What a floor without I/O does not say.
const CORE_BANS: [&str; 14] = [
    "async",
    ".await",
    "tokio::",
    "futures::",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "Instant",
    "SystemTime",
    "now()",
    "println!",
];

/// Everything that `source` names against the table.
fn violations(source: &Source) -> Vec<String> {
    if !source.ships() || source.path == "src/lib.rs" {
        return Vec::new();
    }
    let Some((floor, may)) = FLOORS.iter().find(|(floor, _)| source.path.starts_with(floor)) else {
        return vec![format!("{} stands on no floor: add its folder to FLOORS with what it may name", source.path)];
    };
    let mut found = Vec::new();
    let mut own = module_of(&source.path);
    let adapter = *floor == "src/adapters/";
    own.truncate(if adapter { 2 } else { 1 });
    for path in named(source) {
        let shared = adapter && path.iter().map(String::as_str).take(2).eq(SHARED_BY_ADAPTERS);
        let inside = path.starts_with(&own) || path.is_empty() || shared;
        let module = path.first().map_or("", String::as_str);
        if !inside && !may.contains(&module) {
            found.push(format!("{} names crate::{}, which its floor may not", source.path, path.join("::")));
        }
    }
    for (name, places) in CRATES {
        if names_crate(source.shipped_code(), name) && !places.iter().any(|place| source.path.starts_with(place)) {
            found.push(format!("{} names {name}; only {} may", source.path, places.join(", ")));
        }
    }
    if CORE.iter().any(|part| source.path.starts_with(&format!("src/{part}/"))) {
        found.extend(impurities(source));
    }
    found
}

fn impurities(source: &Source) -> Vec<String> {
    let code = source.shipped_code();
    let says = |ban: &str| match ban {
        "async" => words_of(code).any(|word| word == "async"),
        _ => code.match_indices(ban).any(|(at, _)| !ban.starts_with(char::is_alphanumeric) || starts_word(code, at)),
    };
    let bans = CORE_BANS.iter().filter(|ban| says(ban));
    bans.map(|ban| format!("{} says {ban}: the core does no I/O and takes time as an argument", source.path)).collect()
}

fn words_of(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether `code` names the crate: `name::…`, or `use name`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let after = &code[at + name.len()..];
        let path = after.starts_with("::") || (code[..at].ends_with("use ") && after.starts_with([';', ' ']));
        path && starts_word(code, at) && !code[..at].ends_with("::")
    })
}

#[test]
fn every_file_names_only_what_its_floor_may() {
    nothing_in(&rust().iter().flat_map(violations).collect::<Vec<_>>());
}

#[test]
fn a_file_that_reaches_up_is_caught() {
    let found = |path: &str, code: &str| violations(&Source::new(path, code));
    caught(&found("src/domain/booking/x.rs", "use crate::ports::clock::Clock;"), "crate::ports::clock::Clock");
    caught(&found("src/domain/x.rs", "use crate::{domain::ids::{self, A}, record::x as _};"), "crate::record::x");
    caught(&found("src/reconcile/x.rs", "fn a() { crate::projections::b::<u8>() }"), "crate::projections::b");
    caught(&found("src/services/x.rs", "use crate::{ports::a, adapters::memory::B};"), "crate::adapters::memory::B");
    caught(&found("src/adapters/sqlite/x.rs", "use crate::adapters::memory::Store;"), "crate::adapters::memory");
    caught(&found("src/adapters/sqlite/x.rs", "use super::super::memory::Store;"), "crate::adapters::memory");
    caught(&found("src/adapters/shared/x.rs", "use crate::adapters::memory::Store;"), "crate::adapters::memory");
    caught(&found("src/ports/x.rs", "use crate::ledger::append::judge;"), "crate::ledger::append");
    caught(&found("src/http/x.rs", "use super::super::adapters::sqlite;"), "crate::adapters::sqlite");
    caught(&found("src/domain/x.rs", "use crate::{domain::*, ports::*};"), "crate::ports");
    caught(&found("src/attic/x.rs", ""), "on no floor");
    caught(&found("src/services/x.rs", "use sqlx::query;"), "names sqlx");
    caught(&found("src/adapters/google/x.rs", "fn a() -> reqwest::Client {}"), "names reqwest");
    caught(&found("src/domain/x.rs", "async fn a() {}"), "says async");
    caught(&found("src/projections/x.rs", "fn a() { b.await }"), "says .await");
    caught(&found("src/reconcile/x.rs", "fn a() { Utc::now() }"), "says now()");
}

#[test]
fn a_file_that_keeps_to_its_floor_is_left_alone() {
    let found = |path: &str, code: &str| violations(&Source::new(path, code));
    nothing_in(&found("src/domain/booking/x.rs", "use crate::domain::ids::A; use super::{super::slot::Slot, event};"));
    nothing_in(&found("src/adapters/sqlite/x.rs", "use super::{writer, rows::{self, Row}}; use sqlx::Row as _;"));
    nothing_in(&found("src/adapters/google/x.rs", "use crate::{adapters::shared::percent::a, ledger::append::b};"));
    nothing_in(&found("src/services/x.rs", "// crate::adapters::memory\nfn a() { let s = \"use sqlx::x\"; }"));
    nothing_in(&found(
        "src/services/x.rs",
        "#[cfg(test)]\nmod tests;\n\n#[cfg(test)]\nmod tests {\n use crate::adapters::memory;\n}",
    ));
    nothing_in(&found("src/domain/x.rs", "/// async and .await\nfn known() { asynchronous() }"));
}
