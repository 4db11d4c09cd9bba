//! The repository's files, and Rust text with its comments and string literals blanked.

use std::{fs, path::Path};

use super::{BESIDE, ROOT};

/// Folders that are not part of the repository.
const OUTSIDE: [&str; 5] = ["target", "data", ".git", ".venv", "node_modules"];

/// A Rust file.
pub struct Source {
    /// Its path in the repository.
    pub path: String,
    /// As it is.
    pub raw: String,
    /// Without comments and the insides of string literals; every line stays where it is.
    pub code: String,
    /// Without comments.
    pub spoken: String,
}

impl Source {
    /// A file of that text.
    pub fn new(path: &str, raw: &str) -> Self {
        let (code, spoken) = blank(raw);
        Self { path: path.into(), raw: raw.into(), code, spoken }
    }

    /// Whether it is part of the program, rather than a test of it.
    pub fn ships(&self) -> bool {
        self.path.starts_with("src/") && !self.path.ends_with("/tests.rs") && !self.path.contains("/tests/")
    }

    /// How many bytes come before the tests at its end.
    pub fn tests_at(&self) -> usize {
        self.code.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.code.len())
    }

    /// The code before the tests at its end.
    pub fn shipped_code(&self) -> &str {
        &self.code[..self.tests_at()]
    }
}

/// Every text file's path, sorted.
pub fn files() -> Vec<String> {
    let mut found = Vec::new();
    walk(Path::new(ROOT), "", &mut found);
    found.sort();
    assert!(found.len() > 50, "only {} files were found: the walk is broken", found.len());
    found
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("the entry is readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("the entry has a type");
        if kind.is_dir() && !(OUTSIDE.contains(&name.as_str()) && prefix.is_empty()) {
            walk(&entry.path(), &format!("{path}/"), found);
        } else if kind.is_file() && name != ".git" && !name.starts_with(BESIDE) {
            found.push(path);
        }
    }
}

/// Every Rust file.
pub fn rust() -> Vec<Source> {
    files()
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|e| e == "rs"))
        .map(|path| Source::new(&path, &super::read(&path).expect("it is UTF-8")))
        .collect()
}

/// `text` without comments and string contents, and `text` without comments. Blanked bytes become spaces.
fn blank(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut spoken) = (bytes.to_vec(), bytes.to_vec());
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => {
                let end = line_end(bytes, at);
                erase(&mut code, at..end);
                erase(&mut spoken, at..end);
                end
            }
            [b'/', b'*', ..] => {
                let end = block_end(bytes, at);
                erase(&mut code, at..end);
                erase(&mut spoken, at..end);
                end
            }
            [b'"', ..] => {
                let end = string_end(bytes, at + 1);
                erase(&mut code, at + 1..end - 1);
                end
            }
            [b'r', b'"' | b'#', ..] if at == 0 || !word(bytes[at - 1]) || b"bc".contains(&bytes[at - 1]) => {
                raw_end(bytes, at).map_or(at + 1, |(open, close, end)| {
                    erase(&mut code, open..close);
                    end
                })
            }
            [b'\'', rest @ ..] => {
                let length = char_end(rest).unwrap_or(0);
                erase(&mut code, at + 1..(at + length).max(at + 1));
                at + 1 + length
            }
            _ => at + 1,
        };
        at = end;
    }
    let text = |bytes| String::from_utf8(bytes).expect("whole characters are blanked");
    (text(code), text(spoken))
}

fn erase(bytes: &mut [u8], range: std::ops::Range<usize>) {
    for byte in &mut bytes[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n)
}

/// Block comments nest.
fn block_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// After the closing quote of a string whose inside begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The inside and the end of a raw string that begins with the `r` at `at`.
fn raw_end(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let close = bytes[open + 1..].windows(closing.len()).position(|w| w == closing)? + open + 1;
    Some((open + 1, close, close + closing.len()))
}

/// How long the character literal is whose inside is `rest`, closing quote included; `None` for a lifetime.
fn char_end(rest: &[u8]) -> Option<usize> {
    if rest.first() == Some(&b'\\') {
        return rest.iter().skip(2).position(|b| *b == b'\'').map(|n| n + 3);
    }
    let width = std::str::from_utf8(&rest[..rest.len().min(4)])
        .map_or_else(|e| std::str::from_utf8(&rest[..e.valid_up_to()]), Ok)
        .ok()?
        .chars()
        .next()?
        .len_utf8();
    (rest.get(width) == Some(&b'\'')).then_some(width + 1)
}

#[test]
fn comments_and_texts_are_blanked_and_nothing_else() {
    let text = "a /* b /* c */ d */ \"e // \\\" f\" // g\nh<'i> 'j' '\\'' '\\u{1F}' '—' r#\"k \" l\"# br\"m\" n";
    let (code, spoken) = blank(text);
    assert_eq!(code.len(), text.len());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&code), "a \" \" h<'i> ' ' ' ' ' ' ' ' r#\" \"# br\" \" n");
    assert!(spoken.contains("e // ") && spoken.contains("k \" l") && !spoken.contains('g') && !spoken.contains('d'));
    assert_eq!(blank("let x: &'a str = y; // z").0.trim_end(), "let x: &'a str = y;");
}

#[test]
fn the_tests_at_the_end_of_a_file_do_not_ship() {
    let source = Source::new("src/a.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
    assert_eq!(source.shipped_code().trim(), "fn a() {}");
    assert!(source.ships() && !Source::new("src/a/tests.rs", "").ships() && !Source::new("tests/a.rs", "").ships());
}
