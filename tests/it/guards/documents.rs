//! What the documents name exists.

use std::path::Path;

use super::{ROOT, caught, nothing_in, read, source::files};

/// Beginnings of paths in this repository.
const FOLDERS: [&str; 10] =
    ["src/", "tests/", "docs/", "migrations/", "projections/", "schemas/", "benches/", ".ci/", ".config/", "examples/"];

/// Paths in code spans, and targets of links, that lead nowhere.
fn dangling(path: &str, text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2).filter_map(|span| span.split_whitespace().next());
    let named = spans.filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)));
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let links = links.filter(|link| !link.contains(':') && !link.starts_with('#'));
    let missing = |file: &Path| !Path::new(ROOT).join(file).exists();
    let mut found = Vec::new();
    for span in named.filter(|span| !span.contains(['<', '>', '*', '{', '…', '$']) && !span.contains("NNNN")) {
        if missing(Path::new(span.trim_end_matches([',', '.', ':']))) {
            found.push(format!("{path}: names {span}, which does not exist"));
        }
    }
    for link in links {
        if missing(&folder.join(link.split('#').next().unwrap_or(link))) {
            found.push(format!("{path}: links to {link}, which does not exist"));
        }
    }
    found
}

/// Functions that a document says are in a file, as in "`decide` in `src/reconcile/decide.rs`", and are not.
fn unknown_functions(path: &str, text: &str) -> Vec<String> {
    let spans: Vec<&str> = text.split('`').collect();
    let named = spans.windows(3).skip(1).step_by(2).filter(|three| three[1].trim() == "in");
    let named = named.map(|three| (three[0].rsplit("::").next().unwrap_or(three[0]), three[2]));
    let function = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let unknown = named.filter(|(name, file)| {
        let source = file.starts_with("src/") && Path::new(file).extension().is_some_and(|e| e == "rs");
        let text = if source { read(file).unwrap_or_default() } else { return false };
        function(name) && !text.contains(&format!("fn {name}(")) && !text.contains(&format!("fn {name}<"))
    });
    unknown.map(|(name, file)| format!("{path}: says that {name} is in {file}, and it is not")).collect()
}

/// Files that comments name without their folder, or with the last folders only, and that are nowhere.
fn unknown_files(path: &str, text: &str, files: &[String]) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2).filter_map(|span| span.split_whitespace().next());
    let named = spans.map(|span| span.trim_end_matches([',', '.', ':'])).filter(|span| {
        let ending =
            Path::new(span).extension().is_some_and(|e| ["rs", "sql", "md", "toml", "proto"].iter().any(|x| e == *x));
        ending && !span.starts_with(['/', '.']) && !span.contains(['<', '>', '*', '{', '…', '$', '('])
    });
    let unknown = named.filter(|span| !files.iter().any(|file| file == span || file.ends_with(&format!("/{span}"))));
    unknown.map(|span| format!("{path}: names {span}, and there is no such file")).collect()
}

/// Code spans in the comments of a Rust file.
fn comments(text: &str) -> String {
    text.lines().filter_map(|line| line.trim_start().strip_prefix("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_path_that_a_document_names_exists() {
    let documents = files().into_iter().filter(|path| Path::new(path).extension().is_some_and(|e| e == "md"));
    let texts = documents.map(|path| (read(&path).expect("it is UTF-8"), path));
    nothing_in(
        &texts
            .flat_map(|(text, path)| [dangling(&path, &text), unknown_functions(&path, &text)].concat())
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_path_that_a_comment_names_exists() {
    let files = files();
    let sources = files.iter().filter(|path| Path::new(path).extension().is_some_and(|e| e == "rs"));
    let texts = sources.map(|path| (comments(&read(path).expect("it is UTF-8")), path));
    let found = |(text, path): (String, &String)| [dangling(path, &text), unknown_files(path, &text, &files)].concat();
    nothing_in(&texts.flat_map(found).collect::<Vec<_>>());
}

#[test]
fn a_path_that_leads_nowhere_is_caught() {
    caught(&dangling("README.md", "see `src/nowhere.rs`"), "src/nowhere.rs");
    caught(&dangling("docs/A.md", "see [it](B.md)"), "B.md");
    caught(&dangling("docs/A.md", "see [it](../src/nowhere.rs#L1)"), "nowhere.rs");
    nothing_in(&dangling(
        "README.md",
        "`src/lib.rs` `src/<x>.rs` `migrations/sqlite/NNNN_name.sql` [a](https://b) [c](#d)",
    ));
    caught(&unknown_functions("docs/A.md", "`a` is in the `b`, `apply` in\n  `src/lib.rs`"), "apply is in src/lib.rs");
    nothing_in(&unknown_functions(
        "docs/A.md",
        "`x`, `decide` in `src/reconcile/decide.rs`, `Reconciler::settle` in `src/services/sync/reconciler/mod.rs`",
    ));
    let files = ["src/services/sync/run.rs".to_owned()];
    caught(&unknown_files("src/a.rs", "see `services/sync.rs`", &files), "services/sync.rs");
    nothing_in(&unknown_files("src/a.rs", "`services/sync/run.rs`, `run.rs`, `<x>.rs` and `/openapi.json`", &files));
    assert_eq!(comments("a\n  /// `src/x.rs`\nb // c"), "/ `src/x.rs`");
}
