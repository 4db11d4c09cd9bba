//! The form of every file: its first line, its length, its functions' length, and that nothing is left lying about.

use super::{
    caught, nothing_in, read,
    source::{Source, files, rust},
};

/// The longest file, tests at its end not counted.
const FILE_LINES_MAX: usize = 400;

/// The longest function.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer, each with the reason. An entry that is not needed any more is a finding.
const LONG_FILES: [(&str, &str); 1] =
    [("src/domain/link/event.rs", "one enum and the types in it: a list that is read from top to bottom")];

/// Functions that are longer, each with the reason.
const LONG_FUNCTIONS: [(&str, &str, &str); 2] = [
    ("src/domain/link/evolve.rs", "evolve", "one match with an arm for every fact"),
    ("src/projections/links/mod.rs", "of_link", "one match with an arm for every fact"),
];

/// What stands for "not done yet". Written in two parts, so that this file does not hold them.
const LEFT_OVER: [(&str, &str); 9] = [
    ("FIX", "ME"),
    ("TO", "DO"),
    ("XX", "X"),
    ("HA", "CK:"),
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[igno", "re"),
    ("Assert", "SqlSafe("),
];

/// Names of places that a reader of the repository does not have, in two parts likewise.
const ELSEWHERE: [(&str, &str); 14] = [
    ("/work", "/"),
    ("/tmp/", "wt"),
    ("/tmp/", "target"),
    ("/tmp/", "helpers"),
    ("shared/", "design"),
    (".lib", "rary/"),
    ("crates", ".io"),
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("npm", "js.org"),
    ("npm", "js.com"),
    ("proxy.", "golang.org"),
    ("arti", "factory"),
    ("deb.", "debian.org"),
];

fn form(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.raw.starts_with("//! ") {
        found.push(format!("{}: the first line does not say what it is (//!)", source.path));
    }
    let outside = !["src/adapters/system/", "tests/", "benches/"].iter().any(|p| source.path.starts_with(p));
    if outside && source.code.contains("clippy::disallowed") {
        found.push(format!("{}: only adapters/system, tests and benches may ask the machine", source.path));
    }
    if !source.ships() {
        return found;
    }
    let lines = source.raw[..source.tests_at()].lines().count();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
    if lines > FILE_LINES_MAX && !excused {
        found.push(format!("{}: {lines} lines; at most {FILE_LINES_MAX} are read at one go", source.path));
    }
    if lines <= FILE_LINES_MAX && excused {
        found.push(format!("{}: is short enough now: take it off LONG_FILES", source.path));
    }
    for (name, line, length) in functions(source.shipped_code()) {
        let excused = LONG_FUNCTIONS.iter().any(|(path, long, _)| *path == source.path && *long == name);
        if length > FUNCTION_LINES_MAX && !excused {
            found.push(format!("{}:{line}: {name} has {length} lines; at most {FUNCTION_LINES_MAX}", source.path));
        }
    }
    found
}

/// Every function's name, first line and number of lines.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(end) = body_end(&code[at..]).filter(|_| !name.is_empty()) else { continue };
        let line = code[..at].matches('\n').count() + 1;
        found.push((name, line, code[at..at + end].matches('\n').count() + 1));
    }
    found
}

/// Where the body of the function that `code` begins with ends; `None` where it has none.
fn body_end(code: &str) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && curly == 0 => return None,
            '{' => curly += 1,
            '}' => {
                curly -= 1;
                if curly == 0 && round == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn left_over(path: &str, text: &str) -> Vec<String> {
    findings(path, text, &LEFT_OVER, "is left over: do it, or say in the issue tracker what is missing")
}

fn elsewhere(path: &str, text: &str) -> Vec<String> {
    // The lock file names the registry of every crate: that is its format.
    if path == "Cargo.lock" {
        return Vec::new();
    }
    findings(path, text, &ELSEWHERE, "is a place that a reader of the repository does not have")
}

fn findings(path: &str, text: &str, needles: &[(&str, &str)], why: &str) -> Vec<String> {
    let needles = needles.iter().map(|(a, b)| format!("{a}{b}"));
    let hits = needles.filter_map(|needle| text.find(&needle).map(|at| (needle, at)));
    hits.map(|(needle, at)| format!("{path}:{}: {needle} {why}", text[..at].matches('\n').count() + 1)).collect()
}

#[test]
fn every_file_has_the_house_s_form() {
    nothing_in(&rust().iter().flat_map(form).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_over() {
    nothing_in(&rust().iter().flat_map(|s| left_over(&s.path, &s.raw)).collect::<Vec<_>>());
}

#[test]
fn no_file_points_to_where_a_reader_cannot_go() {
    let texts = files().into_iter().filter_map(|path| read(&path).map(|text| (path, text)));
    nothing_in(&texts.flat_map(|(path, text)| elsewhere(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn a_file_out_of_form_is_caught() {
    let found = |text: &str| form(&Source::new("src/domain/x.rs", text));
    caught(&found("// no\n"), "first line");
    caught(&found("#![x]\n//! no\n"), "first line");
    caught(&found(&format!("//! yes\n{}", "\n".repeat(400))), "401 lines");
    let long = format!("//! yes\nfn short() {{}}\npub fn long(a: [u8; 2]) {{\n{}}}\n", "    a();\n".repeat(69));
    caught(&found(&long), "src/domain/x.rs:3: long has 71 lines");
    caught(&found("//! yes\n#[expect(clippy::disallowed_methods, reason = \"\")]\n"), "may ask the machine");
    nothing_in(&found(&format!("//! yes\n\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(500))));
    nothing_in(&found("//! yes\ntrait T {\n    fn none(a: [u8; 2]);\n}\n// fn {\n"));
}

#[test]
fn what_is_left_over_or_elsewhere_is_caught() {
    for (a, b) in LEFT_OVER {
        caught(&left_over("x.rs", &format!("\n {a}{b}")), "x.rs:2");
    }
    for (a, b) in ELSEWHERE {
        let found = elsewhere("x.md", &format!("\nsee {a}{b}"));
        assert!(!found.is_empty(), "{a}{b} is not caught");
    }
    nothing_in(&elsewhere("Cargo.lock", concat!("registry+https://github.com/rust-lang/crates", ".io-index")));
}
