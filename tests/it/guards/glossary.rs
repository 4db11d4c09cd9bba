//! `docs/GLOSSARY.md`: each word once, in order, with the code that defines it; and no main noun without an entry.

use std::collections::BTreeSet;

use syncledger::record::stream::Category;

use super::{caught, nothing_in, read, source::rust};

const PATH: &str = "docs/GLOSSARY.md";

/// Documents that lead readers to the glossary.
const LINKED_FROM: [&str; 2] = ["README.md", "docs/ARCHITECTURE.md"];

/// A row of the table.
struct Entry {
    word: String,
    code: String,
}

fn entries(text: &str) -> Vec<Entry> {
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.filter_map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let (word, _, code) = (cells.next()?, cells.next()?, cells.next().unwrap_or_default());
        Some(Entry { word: word.to_owned(), code: code.trim_end_matches('|').trim().to_owned() })
    })
    .collect()
}

/// Whether Rust text declares a type of that name; those that a macro makes are listed with the macro's arguments.
fn declares(text: &str, name: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let by_macro = line.strip_prefix(name).is_some_and(|rest| rest.starts_with([',', ')']));
        let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        by_macro || words.windows(2).any(|two| ["struct", "enum", "trait", "type"].contains(&two[0]) && two[1] == name)
    })
}

/// Types and files that the glossary names and that are not there. `file` answers a file's text.
fn dangling(entries: &[Entry], file: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for Entry { word, code } in entries {
        for place in code.split("; ").filter(|place| !place.is_empty()) {
            let mut spans = place.split('`').skip(1).step_by(2);
            let (first, second) = (spans.next().unwrap_or_default(), spans.next());
            let (name, path) = second.map_or((None, first), |path| (Some(first), path));
            match (file(path), name) {
                (None, _) => found.push(format!("{PATH}: {word}: {path} does not exist")),
                (Some(text), Some(name)) if !declares(&text, name) => {
                    found.push(format!("{PATH}: {word}: {path} has no type {name}"));
                }
                (Some(_), _) => {}
            }
        }
    }
    found
}

/// Main nouns without an entry.
fn missing(entries: &[Entry], nouns: &BTreeSet<String>) -> Vec<String> {
    let words: BTreeSet<&str> = entries.iter().map(|entry| entry.word.as_str()).collect();
    let without = nouns.iter().filter(|noun| !words.contains(noun.as_str()));
    without.map(|noun| format!("{PATH}: {noun} has no entry")).collect()
}

/// The domain's folders, and what streams are about.
fn nouns() -> BTreeSet<String> {
    let folders = rust().into_iter().filter_map(|source| {
        let (folder, _) = source.path.strip_prefix("src/domain/")?.split_once('/')?;
        Some(folder.to_owned())
    });
    folders.chain(Category::ALL.iter().map(|category| category.as_str().to_owned())).collect()
}

/// Words out of order, or twice.
fn disordered(entries: &[Entry]) -> Vec<String> {
    let pairs = entries.windows(2).filter(|two| two[0].word >= two[1].word);
    pairs.map(|two| format!("{PATH}: {} must not follow {}", two[1].word, two[0].word)).collect()
}

#[test]
fn the_glossary_is_in_step_with_the_code() {
    let entries = entries(&read(PATH).expect("there is a glossary"));
    assert!(entries.len() > 40, "only {} entries were read", entries.len());
    nothing_in(&dangling(&entries, read));
    nothing_in(&missing(&entries, &nouns()));
    nothing_in(&disordered(&entries));
    for document in LINKED_FROM {
        assert!(read(document).is_some_and(|text| text.contains("GLOSSARY.md)")), "{document} does not link {PATH}");
    }
}

#[test]
fn an_entry_that_names_nothing_is_caught() {
    let text =
        "| word | meaning | code |\n|---|---|---|\n| link | a pair | `Link` in `src/a.rs`; `Gone` in `src/a.rs` |\n";
    let file = |path: &str| (path == "src/a.rs").then(|| "pub struct Link;\n    Other, \"x\");".to_owned());
    caught(&dangling(&entries(text), file), "has no type Gone");
    nothing_in(&dangling(&entries(&text.replace("Gone", "Other")), file));
    let elsewhere = "| word | meaning | code |\n|---|---|---|\n| link | a pair | `src/b.rs` |\n| slot | a time | |\n";
    caught(&dangling(&entries(elsewhere), file), "src/b.rs does not exist");
    assert!(!declares("struct LinkRef;\n// a Link", "Link"));
}

#[test]
fn a_noun_without_an_entry_is_caught() {
    assert!(nouns().is_superset(&["link", "device", "operations"].map(str::to_owned).into()));
    let text = "| word | meaning | code |\n|---|---|---|\n| slot | a time | |\n| link | a pair | |\n";
    caught(&missing(&entries(text), &["link".to_owned(), "booking".to_owned()].into()), "booking has no entry");
    caught(&disordered(&entries(text)), "link must not follow slot");
}
