//! One word, one meaning; plain English; and vendors stay home.

use std::path::Path;

use super::{
    caught, nothing_in, read,
    source::{Source, files, rust},
};

/// Parts of names that say nothing or say it wrongly, and what to write instead.
const BANNED: [(&str, &str); 9] = [
    ("manager", "the verb it does, or the thing it keeps"),
    ("helper", "what it helps to do"),
    ("helpers", "what they help to do"),
    ("util", "what is in it"),
    ("utils", "what is in it"),
    ("misc", "what is in it"),
    ("CalendarEvent", "RemoteEntry: an event is a stored fact"),
    ("GoogleEvent", "RemoteEntry: an event is a stored fact"),
    ("EventMap", "Link: one booking on one calendar"),
];

/// Names that only the folders which deal with them may say.
const VENDORS: [&str; 14] = [
    "google",
    "gcal",
    "microsoft",
    "msgraph",
    "outlook",
    "icloud",
    "caldav",
    "icalendar",
    "ical",
    "ics",
    "vevent",
    "sqlite",
    "postgres",
    "uschedule",
];

/// Where they may be said: wiring, configuration and the edges whose names are fixed for other people's scripts.
const HOMES: [(&str, &str); 14] = [
    ("src/adapters/", "one folder per vendor"),
    ("src/app", "wires the adapters"),
    ("src/serve", "wires the adapters"),
    ("src/simulation/", "models Google Calendar and USchedule"),
    ("src/demo/", "plays the check-list of USchedule and Google Calendar"),
    ("src/config/", "providers and kinds of sources are named in the configuration file"),
    ("src/cli/", "file formats are named on the command line"),
    ("src/http/mod.rs", "takes what verifies /webhook/gcal and /webhook/uschedule"),
    ("src/http/routes.rs", "the addresses /webhook/gcal and /webhook/uschedule are fixed"),
    ("src/http/webhooks.rs", "answers at /webhook/gcal and /webhook/uschedule"),
    ("src/services/operators/doctor.rs", "advice names who refuses"),
    ("src/projections/links/", "the users' own words for where a change came from: USCHEDULE and GCAL"),
    ("src/gateway/wire.rs", "the wire contract has messages of Google's"),
    ("src/record/stream.rs", "an example in a message"),
];

/// Names of types that are no nouns, or nouns that we made up: say what the thing is (`IncomingCommand`, `PullOutcome`).
const INVENTED: [&str; 34] = [
    "About",
    "Act",
    "Around",
    "Asker",
    "At",
    "Beside",
    "Between",
    "Came",
    "Given",
    "Gone",
    "Happening",
    "Heard",
    "How",
    "Kept",
    "Known",
    "Left",
    "Manner",
    "Meant",
    "Newest",
    "NotDone",
    "Of",
    "Rest",
    "Seen",
    "Sent",
    "Shown",
    "Standing",
    "Stop",
    "Taken",
    "Teller",
    "Then",
    "Told",
    "Trouble",
    "Troubles",
    "Unsaid",
];

/// Single words ending in `-ed` that name types all the same: nouns, and the usual word for state behind an `Arc`.
const NOUNS: [&str; 3] = ["Feed", "Need", "Shared"];

/// Types whose name is invented, or one bare participle.
fn invented(source: &Source) -> Vec<String> {
    if !source.ships() {
        return Vec::new();
    }
    let words: Vec<&str> = names(source.shipped_code()).collect();
    let declared =
        words.windows(2).filter(|two| ["struct", "enum", "trait", "type"].contains(&two[0])).map(|two| two[1]);
    let bad = declared.filter(|name| {
        let participle = parts_of(name).len() == 1 && name.ends_with("ed") && name.len() > 3 && !NOUNS.contains(name);
        INVENTED.contains(name) || participle
    });
    bad.map(|name| format!("{}: the type {name} is not named by a noun: say what it is", source.path)).collect()
}

/// Phrases that are not plain English, and what to write instead. Small letters; in messages, comments and documents.
const STILTED: [(&str, &str); 16] = [
    ("stands in the", "is in the"),
    (" stand in the", "are in the"),
    ("held against", "compared with"),
    ("what hinders", "why it cannot be read"),
    ("where nothing is said", "[default: …], or what the default is"),
    ("at most so many", "maximum number of …, with its default"),
    ("is told at once", "is reported together"),
    ("told all at once", "reported together"),
    ("filled anew", "rebuilt"),
    ("wrapped anew", "encrypted again"),
    ("called off", "cancelled"),
    ("the grant is gone", "access was revoked"),
    ("by what way", "how it reached the ledger"),
    ("goes on where it stood", "continues"),
    ("whose grant", "the account of a connection"),
    ("for an operator's word", "for an operator"),
];

fn stilted(path: &str, text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let hits = STILTED.iter().filter(|(phrase, _)| text.contains(phrase));
    hits.map(|(phrase, instead)| format!("{path}: says {phrase:?}; write {instead}")).collect()
}

fn banned(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.ships() {
        return found;
    }
    // Crates' names are their authors'.
    for name in names(&source.code).filter(|name| !["tokio_util", "hyper_util"].contains(name)) {
        let parts = parts_of(name);
        let hit = BANNED.iter().find(|(word, _)| name == *word || parts.iter().any(|part| part == word));
        if let Some((word, instead)) = hit {
            found.push(format!("{}: {name} says {word}; write {instead}", source.path));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Homes that nobody lives in any more.
fn deserted(sources: &[Source]) -> Vec<String> {
    let empty = HOMES.iter().filter(|(home, _)| !sources.iter().any(|source| source.path.starts_with(home)));
    empty.map(|(home, _)| format!("{home} does not exist: take it off HOMES")).collect()
}

fn vendors(source: &Source) -> Vec<String> {
    if !source.ships() || HOMES.iter().any(|(home, _)| source.path.starts_with(home)) {
        return Vec::new();
    }
    let spoken = &source.spoken[..source.tests_at()];
    let mut found: Vec<String> = names(spoken)
        .filter(|name| parts_of(name).iter().any(|part| VENDORS.contains(&part.as_str())))
        .map(|name| format!("{}: says {name}; only its adapter and the edges may (see HOMES)", source.path))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Everything that looks like a name, literals' words included where they are in `text`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// `RemoteEntry`, `remote_entry` and `REMOTE_ENTRY` are `remote` and `entry`.
fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && before_lower) {
            parts.push(String::new());
        }
        before_lower = c.is_lowercase();
        if c != '_' {
            parts.last_mut().expect("there is a part").extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[test]
fn names_say_what_is_meant() {
    nothing_in(&rust().iter().flat_map(banned).collect::<Vec<_>>());
}

#[test]
fn types_are_named_by_nouns() {
    nothing_in(&rust().iter().flat_map(invented).collect::<Vec<_>>());
}

#[test]
fn an_invented_noun_is_caught() {
    let found = |path: &str, code: &str| invented(&Source::new(path, code));
    for (code, word) in [
        ("pub struct Came { verb: String }", "Came"),
        ("pub(super) enum Looked { At }", "Looked"),
        ("pub trait Told {}", "Told"),
        ("pub type Asked = (u8, u8);", "Asked"),
    ] {
        caught(&found("src/domain/x.rs", code), word);
    }
    nothing_in(&found("src/domain/x.rs", "pub struct StoredEvent;\npub enum Feed { Told }\n// struct Came"));
    nothing_in(&found("src/domain/x.rs", "\n#[cfg(test)]\nmod tests {\n    struct Told;\n}"));
}

#[test]
fn messages_comments_and_documents_are_in_plain_english() {
    let mut found: Vec<String> =
        rust().iter().filter(|source| source.ships()).flat_map(|s| stilted(&s.path, &s.raw)).collect();
    // A kept ledger's folder is never changed.
    let documents = files().into_iter().filter(|path| {
        Path::new(path).extension().is_some_and(|e| e == "md") && !path.starts_with("tests/fixtures/ledger-")
    });
    found.extend(documents.flat_map(|path| stilted(&path, &read(&path).expect("it is UTF-8"))));
    nothing_in(&found);
}

#[test]
fn a_stilted_phrase_is_caught() {
    caught(&stilted("docs/A.md", "The key\nStands in the database."), "is in the");
    caught(&stilted("src/x.rs", "/// Whose grant a connection is."), "the account of a connection");
    nothing_in(&stilted("src/x.rs", "/// The account and scopes of a connection."));
}

#[test]
fn vendors_stay_home() {
    let sources = rust();
    nothing_in(&sources.iter().flat_map(vendors).collect::<Vec<_>>());
    nothing_in(&deserted(&sources));
}

#[test]
fn a_word_that_is_not_ours_is_caught() {
    let found = |code: &str| banned(&Source::new("src/domain/x.rs", code));
    for (code, word) in [
        ("struct SyncManager;", "manager"),
        ("mod string_utils;", "utils"),
        ("fn a(e: CalendarEvent) {}", "CalendarEvent"),
        ("struct EventMap;", "EventMap"),
    ] {
        caught(&found(code), word);
    }
    nothing_in(&found("// a manager\nstruct Managed { uncommon: u8, s: &'static str = \"helper\" }"));
}

#[test]
fn a_vendor_away_from_home_is_caught() {
    let found = |path: &str, code: &str| vendors(&Source::new(path, code));
    caught(&found("src/reconcile/x.rs", "enum P { GoogleCalendar }"), "GoogleCalendar");
    caught(&found("src/services/x.rs", "if provider == \"microsoft\" {}"), "microsoft");
    caught(&found("src/http/bookings.rs", "fn to_ics() {}"), "to_ics");
    nothing_in(&found("src/adapters/google/x.rs", "enum P { GoogleCalendar }"));
    assert_eq!(deserted(&[]).len(), HOMES.len());
    nothing_in(&found("src/services/x.rs", "// Google answers 412 here.\nlet physics = topics();"));
}
