//! One table of the file. Keys are read one by one, and problems are recorded with their full key.
//! A key that was never read is unknown, which is a problem too.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::{Table, Value};

use super::Secret;

/// Maximum size of a secret's file, in bytes. A service account's key file has 2,400.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// One mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Full key (`connections[0].provider`) or variable; empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// All mistakes of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file, as given.
    pub file: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "{} cannot be used: {count} problem{}", self.file, if count == 1 { "" } else { "s" })?;
        for Problem { key, message } in &self.problems {
            let key = if key.is_empty() { "file" } else { key };
            write!(f, "\n  {key}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// State shared by all sections.
pub(super) struct Shared {
    /// Folder that relative paths start from.
    pub(super) folder: PathBuf,
    /// The environment.
    pub(super) env: BTreeMap<String, String>,
    /// Keys that were set by the environment, with the variable.
    pub(super) overridden: BTreeMap<String, String>,
    found: RefCell<Vec<Problem>>,
}

impl Shared {
    pub(super) fn new(folder: PathBuf, env: BTreeMap<String, String>) -> Self {
        Self { folder, env, overridden: BTreeMap::new(), found: RefCell::default() }
    }

    /// Records a problem with a key, or with the variable that set it.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        let key = self.overridden.get(key).map_or_else(|| key.to_owned(), |variable| format!("{variable} ({key})"));
        self.found.borrow_mut().push(Problem { key, message: message.into() });
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        self.found.borrow().clone()
    }
}

/// A table and its path in the file.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    read_keys: BTreeSet<String>,
    pub(super) shared: &'a Shared,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: impl Into<String>, table: Table, shared: &'a Shared) -> Self {
        Self { path: path.into(), table, read_keys: BTreeSet::new(), shared }
    }

    /// Full path of a key in this table.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        self.shared.problem(&self.key(key), message);
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.read_keys.insert(key.to_owned());
        self.table.get(key).cloned()
    }

    /// A text; an empty one is a problem.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::String(_) => {
                self.problem(key, "is empty: set a value, or leave it out");
                None
            }
            other => {
                self.problem(key, format!("must be a text in quotes, not {}", kind(&other)));
                None
            }
        }
    }

    /// Whether the text under `key` equals `word`.
    pub(super) fn says(&mut self, key: &str, word: &str) -> bool {
        self.take(key).is_some_and(|value| value.as_str() == Some(word))
    }

    /// Whether the value came from the environment.
    pub(super) fn overridden(&self, key: &str) -> bool {
        self.shared.overridden.contains_key(&self.key(key))
    }

    /// A required text.
    pub(super) fn required(&mut self, key: &str, example: &str) -> Option<String> {
        if !self.table.contains_key(key) {
            self.read_keys.insert(key.to_owned());
            self.problem(key, format!("is missing: add {key} = {example:?}"));
            return None;
        }
        self.text(key)
    }

    /// A text converted by `parse`; its error becomes a problem.
    pub(super) fn parsed<T, E: fmt::Display>(
        &mut self,
        key: &str,
        text: Option<String>,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Option<T> {
        parse(text?).map_err(|wrong| self.problem(key, wrong.to_string())).ok()
    }

    /// A duration such as `500ms`, `60s`, `5m`, `1h`; from one second to one day.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let text = self.text(key)?;
        let duration = duration(&text).filter(|d| (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(d));
        if duration.is_none() {
            self.problem(
                key,
                format!("{text:?} is not a duration between 1s and 24h: write something like 30s, 5m or 1h"),
            );
        }
        duration
    }

    /// Whether the table is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// A whole number within `range`; from the environment, as digits.
    pub(super) fn number(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let number = match self.take(key)? {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::String(digits) if self.overridden(key) => digits.trim().parse().ok(),
            other => {
                self.problem(key, format!("must be a whole number, not {}", kind(&other)));
                return None;
            }
        };
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            self.problem(key, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        fits
    }

    /// A boolean.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(flag) => Some(flag),
            Value::String(text) if self.overridden(key) && ["true", "false"].contains(&text.trim()) => {
                Some(text.trim() == "true")
            }
            other => {
                self.problem(key, format!("must be true or false, not {}", kind(&other)));
                None
            }
        }
    }

    /// An http or https URL, without a trailing slash.
    pub(super) fn address(&mut self, key: &str, text: Option<String>) -> Option<String> {
        let text = text?;
        let url = url::Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        match url {
            Some(url) if url.query().is_none() && url.fragment().is_none() && url.username().is_empty() => {
                Some(text.trim_end_matches('/').to_owned())
            }
            Some(_) => {
                self.problem(key, "must be an address without user name, ? and #");
                None
            }
            None => {
                self.problem(key, "must be an address that starts with https:// (or http://)");
                None
            }
        }
    }

    /// A path; relative paths start from the file's folder.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key)?;
        Some(self.shared.folder.join(Path::new(&text)))
    }

    /// A secret: `<key>_file` or `<key>_env`. The plain key is accepted only from the environment, never from the file.
    pub(super) fn secret(&mut self, key: &str, wanted: bool) -> Option<Secret> {
        let (file, env) = (format!("{key}_file"), format!("{key}_env"));
        let given = [key, &file, &env].into_iter().filter(|k| self.table.contains_key(*k)).count();
        for k in [key, &file, &env] {
            self.read_keys.insert(k.to_owned());
        }
        if given > 1 {
            self.problem(key, format!("is set more than once: keep one of {file} and {env}"));
            return None;
        }
        if self.table.contains_key(key) {
            if !self.shared.overridden.contains_key(&self.key(key)) {
                self.problem(key, format!("is a secret and must not be in this file: use {file} or {env}"));
                return None;
            }
            return self.text(key).map(Secret::new);
        }
        if self.table.contains_key(&env) {
            let variable = self.text(&env)?;
            let value = self.shared.env.get(&variable).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
            if value.is_none() {
                self.problem(&env, format!("names {variable}, which is not set in the environment"));
            }
            return value.map(Secret::new);
        }
        if self.table.contains_key(&file) {
            let path = self.path(&file)?;
            return match read_secret(&path) {
                Ok(secret) => Some(secret),
                Err(wrong) => {
                    self.problem(&file, format!("{} {wrong}", path.display()));
                    None
                }
            };
        }
        if wanted {
            self.problem(
                key,
                format!("is missing: add {file} (a path) or {env} (the name of an environment variable)"),
            );
        }
        None
    }

    /// A nested table; empty if it is missing.
    pub(super) fn section(&mut self, key: &str) -> Section<'a> {
        let table = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.problem(key, format!("must be a table ([{}]), not {}", self.key(key), kind(&other)));
                Table::new()
            }
        };
        Section::new(self.key(key), table, self.shared)
    }

    /// The list of tables `[[key]]`.
    pub(super) fn sections(&mut self, key: &str) -> Vec<Section<'a>> {
        let items = match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.problem(key, format!("must be a list of tables ([[{}]]), not {}", self.key(key), kind(&other)));
                Vec::new()
            }
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.key(key));
            match item {
                Value::Table(table) => sections.push(Section::new(path, table, self.shared)),
                other => self.shared.problem(&path, format!("must be a table, not {}", kind(&other))),
            }
        }
        sections
    }

    /// The names of all keys, to read them as tables.
    pub(super) fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// The whole table; the caller checks its keys.
    pub(super) fn into_table(self) -> Table {
        self.table
    }

    /// Whether everything in this nested table came from the environment.
    fn overridden_whole(&self, key: &str) -> bool {
        let Some(Value::Table(table)) = self.table.get(key) else { return false };
        table.keys().all(|inner| self.shared.overridden.contains_key(&format!("{}.{inner}", self.key(key))))
    }

    /// Reports every key that was never read.
    pub(super) fn finish(self) {
        for key in self.table.keys().filter(|key| !self.read_keys.contains(*key)) {
            // A table created by a misspelt variable is not in the file: report the variable.
            let inside = format!("{}.", self.key(key));
            let made = self.shared.overridden.iter().find(|(full, _)| full.starts_with(&inside));
            let variable = made.map(|(_, variable)| variable.as_str()).filter(|_| self.overridden_whole(key));
            let message = unknown(key, self.read_keys.iter().map(String::as_str));
            self.shared
                .problem(&variable.map_or_else(|| self.key(key), |v| format!("{v} ({})", self.key(key))), message);
        }
    }
}

/// The message about an unknown key.
pub(super) fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().map(|k| (distance(key, k), *k)).min().filter(|(d, k)| *d <= k.len().max(3) / 3);
    match near {
        Some((_, near)) => format!("is not a known key: did you mean {near}?"),
        None => format!("is not a known key: choose from {}", known.join(", ")),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A duration such as `250ms`, `60s`, `5min`, `2h`. `None` if the text is not one.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits.trim().parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" | "min" => seconds(60),
        "h" => seconds(3_600),
        _ => None,
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let about = fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?;
    if about.len() > SECRET_BYTES_MAX {
        return Err(format!("is larger than {SECRET_BYTES_MAX} bytes: is it the right file?"));
    }
    let text = fs::read_to_string(path).map_err(|e| format!("cannot be read: {e}"))?;
    let text = text.trim();
    if text.is_empty() { Err("is empty".into()) } else { Ok(Secret::new(text)) }
}

/// The type of a value, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
