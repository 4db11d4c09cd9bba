//! The paths that Rust text names: in `use` declarations and in code.

use super::source::Source;

/// What one `use` declaration brings in under one name.
pub struct Import {
    /// As it is written: it may begin with `crate`, `self` or `super`.
    pub path: Vec<String>,
    /// The name it has here; `None` where it has none (`as _`, `*`).
    pub name: Option<String>,
    /// Whether it is `path::*`.
    pub glob: bool,
    /// Whether others get it from here: `pub use`.
    pub passed_on: bool,
}

/// The module that a file is: `src/domain/link/state.rs` is `domain::link::state`, `src/lib.rs` is the root.
pub fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// A path from the root of the crate, as `module` writes it; `None` where it begins with no `crate`, `self` or `super`.
pub fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut at = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for part in path {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            part => at.push(part.to_owned()),
        }
    }
    Some(at)
}

/// Every path from the root of the crate that the file names outside of its tests.
pub fn named(source: &Source) -> Vec<Vec<String>> {
    let (module, code) = (module_of(&source.path), shipped(source));
    let (imports, rest) = imports(&code);
    let paths = imports.into_iter().map(|import| import.path).chain(mentions(&rest));
    paths.filter_map(|path| absolute(&path, &module)).collect()
}

/// The code of a file without what is compiled for tests alone.
pub fn shipped(source: &Source) -> String {
    const TEST: &str = "#[cfg(test)]";
    let mut code = source.shipped_code().to_owned();
    while let Some(at) = code.find(TEST) {
        let after = &code[at + TEST.len()..];
        let end = match after.find([';', '{']) {
            Some(end) if after[end..].starts_with('{') => end + block(&after[end..]),
            Some(end) => end + 1,
            None => after.len(),
        };
        code.replace_range(at..at + TEST.len() + end, "");
    }
    code
}

/// The code without its declarations of modules that are files.
pub fn without_modules(code: &str) -> String {
    let declares = |line: &&str| {
        let name =
            line.trim_start_matches("pub").trim_start_matches("(super)").trim_start_matches("(crate)").trim_start();
        name.starts_with("mod ") && name.ends_with(';')
    };
    code.split_inclusive('\n').filter(|line| !declares(&line.trim_end())).collect()
}

/// How long the block is that `text` begins with.
fn block(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// What the `use` declarations in `code` bring in, and the code without them.
pub fn imports(code: &str) -> (Vec<Import>, String) {
    let (mut found, mut rest, mut at) = (Vec::new(), String::new(), 0);
    while let Some((begin, text)) = next_use(code, at) {
        let end = code[text..].find(';').map_or(code.len(), |n| text + n);
        let known = found.len();
        tree(&code[text..end], &[], &mut found);
        let passed_on = code[..begin].trim_end().ends_with(['b', ')']);
        found[known..].iter_mut().for_each(|import| import.passed_on = passed_on);
        rest.push_str(&code[at..begin]);
        at = end;
    }
    rest.push_str(&code[at..]);
    (found, rest)
}

/// Where the next `use` stands after `from`, and where its paths begin. The `use<…>` of a bound is none.
fn next_use(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut uses = code[from..].match_indices("use").map(|(at, word)| (from + at, from + at + word.len()));
    uses.find(|(begin, end)| starts_word(code, *begin) && code[*end..].starts_with(char::is_whitespace))
}

/// Whether a word begins at `at`.
pub fn starts_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(is_word)
}

/// Whether `code` says that word.
pub fn says(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| starts_word(code, at) && !code[at + word.len()..].starts_with(is_word))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads `a::{b, c::d as e}`, which stands below `above`.
fn tree(text: &str, above: &[String], found: &mut Vec<Import>) {
    let text = text.trim();
    let mut path = above.to_vec();
    if let Some((before, group)) = text.split_once('{') {
        path.extend(parts(before));
        for part in members(group.trim_end().trim_end_matches('}')) {
            tree(part, &path, found);
        }
        return;
    }
    let (whole, alias) = text.split_once(" as ").map_or((text, None), |(whole, alias)| (whole, Some(alias.trim())));
    path.extend(parts(whole));
    let glob = whole.trim_end().ends_with('*');
    // `a::{self}` is `a`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let known = match alias {
        Some(alias) => (alias != "_").then(|| alias.to_owned()),
        None => path.last().cloned(),
    };
    let name = known.filter(|_| !glob);
    if !path.is_empty() {
        found.push(Import { path, name, glob, passed_on: false });
    }
}

fn parts(text: &str) -> impl Iterator<Item = String> {
    text.split("::").map(str::trim).filter(|part| !part.is_empty() && *part != "*").map(str::to_owned)
}

/// What stands between the commas of a group, whose own groups stay whole.
fn members(group: &str) -> Vec<&str> {
    let (mut found, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(&group[begin..]);
    found.retain(|part| !part.trim().is_empty());
    found
}

/// Every path of two parts or more in `code`, which has no `use` declarations.
pub fn mentions(code: &str) -> Vec<Vec<String>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(begin) = code[at..].find(is_word).map(|n| at + n) {
        let mut path = Vec::new();
        let mut end = begin;
        loop {
            let word = code[end..].find(|c| !is_word(c)).map_or(code.len(), |n| end + n);
            path.push(code[end..word].to_owned());
            end = word;
            let after = code[end..].strip_prefix("::").filter(|after| after.starts_with(is_word));
            match after {
                Some(_) => end += 2,
                None => break,
            }
        }
        // What follows `>::` or `.` belongs to a type or a value.
        if path.len() > 1 && !code[..begin].ends_with(['.', ':']) {
            found.push(path);
        }
        at = end;
    }
    found
}

#[test]
fn imports_are_read_with_their_groups_and_names() {
    let code =
        "use a::{self, b::{C, D as E}, f::*, G as _};\npub(super) use super::h;\nfn x() -> impl Sized + use<'_> {}";
    let (found, rest) = imports(code);
    let lines: Vec<String> =
        found.iter().map(|i| format!("{} {:?} {} {}", i.path.join("::"), i.name, i.glob, i.passed_on)).collect();
    assert_eq!(
        lines,
        [
            "a Some(\"a\") false false",
            "a::b::C Some(\"C\") false false",
            "a::b::D Some(\"E\") false false",
            "a::f None true false",
            "a::G None false false",
            "super::h Some(\"h\") false true",
        ]
    );
    assert!(rest.contains("fn x()") && !rest.contains("super::h"));
}

#[test]
fn paths_in_code_are_read_from_their_beginning() {
    let found = mentions("a::b(<crate::c::D as super::E>::f, x.g(), h::<i::J>(), Vec::<u8>::new()) { k: self::l::M }");
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "crate::c::D", "super::E", "i::J", "self::l::M"]);
}

#[test]
fn items_for_tests_alone_are_left_out() {
    let text = "#[cfg(test)]\nuse a::b;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nfn c() { { d } }\nfn e() {}\n";
    assert_eq!(shipped(&Source::new("src/x.rs", text)).split_whitespace().collect::<String>(), "fne(){}");
}
