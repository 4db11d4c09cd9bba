//! No circles: files of the program that import each other in a loop cannot be read, tested or moved one at a time.
//!
//! What counts is which file uses a name of which: a name that a `mod.rs` only passes on belongs to the file that defines it.
//! Methods are not seen, so one type's methods may be spread over files.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    caught, nothing_in,
    paths::{Import, absolute, imports, mentions, module_of, says, shipped, without_modules},
    source::{Source, rust},
};

/// Circles that do no harm, and why.
const HARMLESS: &[(&[&str], &str)] = &[
    (
        &[
            "src/adapters/sandbox/google/auth.rs",
            "src/adapters/sandbox/google/call.rs",
            "src/adapters/sandbox/google/mod.rs",
            "src/adapters/sandbox/google/oauth.rs",
            "src/adapters/sandbox/google/watch.rs",
        ],
        "one model: each file has some of its calls, and what it remembers for them",
    ),
    (
        &[
            "src/adapters/sandbox/uschedule/answers.rs",
            "src/adapters/sandbox/uschedule/book.rs",
            "src/adapters/sandbox/uschedule/mod.rs",
            "src/adapters/sandbox/uschedule/webhook.rs",
        ],
        "one model: each file has some of its calls, and what it remembers for them",
    ),
    (
        &[
            "src/simulation/client.rs",
            "src/simulation/ledger.rs",
            "src/simulation/call_rules.rs",
            "src/simulation/network.rs",
            "src/simulation/observations.rs",
            "src/simulation/people.rs",
            "src/simulation/process.rs",
            "src/simulation/world.rs",
        ],
        "one world: who acts in it finds it whole, and it keeps what each of them left",
    ),
    (
        &["src/simulation/command.rs", "src/simulation/report.rs"],
        "a run writes its report, which says what was asked for",
    ),
];

/// Who uses what of whom: user, used, names.
type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A file of the program.
struct File {
    path: String,
    module: Vec<String>,
    code: String,
    /// What it imports, by the name it has here.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules from which it imports everything.
    globs: Vec<Vec<String>>,
    /// All paths it imports, and all in its code.
    imported: Vec<Vec<String>>,
    mentioned: Vec<Vec<String>>,
}

/// The files of the program by their modules.
struct Program(BTreeMap<Vec<String>, File>);

impl Program {
    fn new(sources: &[Source]) -> Self {
        let ships = sources.iter().filter(|source| source.ships() && source.path != "src/main.rs");
        let mut program = Self(ships.map(|source| (module_of(&source.path), file(source))).collect());
        let modules: BTreeSet<Vec<String>> = program.0.keys().cloned().collect();
        for file in program.0.values_mut() {
            file.relate(&modules);
        }
        program
    }

    /// The file that defines what `path` names, and its name there; `None` where that is a module or not of the program.
    fn resolve(&self, path: &[String], depth: usize) -> Option<(&File, String)> {
        let (length, file) = (0..=path.len()).rev().find_map(|n| self.0.get(&path[..n]).map(|file| (n, file)))?;
        let Some(name) = path.get(length) else {
            // A module, or what its parent passes on under the same name.
            let (name, parent) = path.split_last()?;
            let to = self.0.get(parent)?.imports.get(name).filter(|to| to.len() > length)?;
            return self.resolve(to, depth + 1);
        };
        if depth > 8 || file.defines(name) {
            return Some((file, name.clone()));
        }
        let below = |to: &[String]| [to, &path[length + 1..]].concat();
        if let Some(to) = file.imports.get(name) {
            return self.resolve(&below(to), depth + 1);
        }
        let mut globs = file.globs.iter().filter_map(|glob| self.resolve(&[glob, &path[length..]].concat(), depth + 1));
        globs.find(|(file, name)| file.defines(name)).or_else(|| Some((file, name.clone())))
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for file in self.0.values() {
            let used = file.imported.iter().chain(&file.mentioned).filter_map(|path| self.resolve(path, 0));
            let globs = file.globs.iter().filter_map(|glob| Some((self.0.get(glob)?, "*".to_owned())));
            for (other, name) in used.chain(globs).filter(|(other, _)| other.path != file.path) {
                let names = arrows.entry(file.path.clone()).or_default().entry(other.path.clone()).or_default();
                names.insert(name);
            }
        }
        arrows
    }
}

impl File {
    /// Whether an item of that name is defined in it.
    fn defines(&self, name: &str) -> bool {
        const ITEMS: [&str; 9] = ["struct", "enum", "trait", "type", "fn", "const", "static", "union", "macro_rules!"];
        self.code.match_indices(name).any(|(at, _)| {
            let whole = !self.code[at + name.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let before = self.code[..at].trim_end();
            // `&'static Name` defines nothing.
            let item = |item: &&str| before.strip_suffix(item).is_some_and(|rest| !rest.ends_with('\''));
            whole && before.len() < at && ITEMS.iter().any(item)
        })
    }

    /// Makes every path begin at the root of the crate; others go.
    fn relate(&mut self, modules: &BTreeSet<Vec<String>>) {
        let (names, module) = (self.imports.clone(), self.module.clone());
        let from_root = |path: &Vec<String>, names: &BTreeMap<String, Vec<String>>| {
            let below = [module.as_slice(), &path[..1]].concat();
            match names.get(&path[0]) {
                _ if modules.contains(&below) => Some([module.as_slice(), path].concat()),
                Some(to) => Some([to.as_slice(), &path[1..]].concat()),
                None => absolute(path, &module),
            }
        };
        let none = BTreeMap::new();
        self.imports = names.into_iter().filter_map(|(name, to)| Some((name, from_root(&to, &none)?))).collect();
        for paths in [&mut self.globs, &mut self.imported] {
            *paths = paths.iter().filter_map(|path| from_root(path, &none)).collect();
        }
        self.mentioned = self.mentioned.iter().filter_map(|path| from_root(path, &self.imports)).collect();
    }
}

fn file(source: &Source) -> File {
    let code = shipped(source);
    let (found, rest) = imports(&without_modules(&code));
    let globs = found.iter().filter(|import| import.glob).map(|import| import.path.clone()).collect();
    let named = found.iter().filter_map(|import| Some((import.name.clone()?, import.path.clone()))).collect();
    // What is passed on is used here only where the code names it.
    let used = |import: &Import| !import.passed_on || import.name.as_ref().is_some_and(|name| says(&rest, name));
    let imported =
        found.iter().filter(|import| !import.glob && used(import)).map(|import| import.path.clone()).collect();
    let (path, module, mentioned) = (source.path.clone(), module_of(&source.path), mentions(&rest));
    File { path, module, code: rest, imports: named, globs, imported, mentioned }
}

/// Groups of files each of which leads to each other along the arrows.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|from| (from.as_str(), reached(arrows, from))).collect();
    let mutual = |from: &&str| {
        let back = |to: &&&str| reached.get(**to).is_some_and(|of| of.contains(from));
        reached[from].iter().filter(back).copied().collect::<BTreeSet<&str>>()
    };
    reached.keys().map(mutual).filter(|circle| circle.len() > 1).collect()
}

/// All files that the arrows lead to from one.
fn reached<'a>(arrows: &'a Arrows, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        let next = arrows.get(at).into_iter().flat_map(BTreeMap::keys);
        open.extend(next.map(String::as_str).filter(|to| seen.insert(*to)));
    }
    seen
}

/// Circles that are not known to do no harm, and entries that are no circle.
fn violations(sources: &[Source], harmless: &[(&[&str], &str)]) -> Vec<String> {
    let arrows = Program::new(sources).arrows();
    let found = circles(&arrows);
    let known: BTreeSet<BTreeSet<&str>> = harmless.iter().map(|(files, _)| files.iter().copied().collect()).collect();
    let list = |circle: &BTreeSet<&str>| circle.iter().copied().collect::<Vec<_>>().join(", ");
    let new = found.difference(&known).map(|circle| {
        let ties = circle.iter().flat_map(|from| arrows[*from].iter().map(move |(to, names)| (from, to, names)));
        let ties = ties.filter(|(_, to, _)| circle.contains(to.as_str())).map(|(from, to, names)| {
            format!("\n  {from} uses of {to}: {}", names.iter().cloned().collect::<Vec<_>>().join(", "))
        });
        format!("files that import each other: {}{}", list(circle), ties.collect::<String>())
    });
    let old =
        known.difference(&found).map(|circle| format!("no circle any more, take it off the list: {}", list(circle)));
    new.chain(old).collect()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    nothing_in(&violations(&rust(), HARMLESS));
}

#[test]
fn a_circle_is_found_through_groups_modules_and_names_that_are_passed_on() {
    let source = Source::new;
    let found = |sources: &[Source]| violations(sources, &[]);
    let (one, two) = ("src/a/one.rs", "src/a/two.rs");
    let two_uses_one = || source(two, "use super::one::{self as first, One};\npub struct Two(One);");
    caught(
        &found(&[source(one, "use crate::{a::{two::Two}};\npub struct One;"), two_uses_one()]),
        "of src/a/two.rs: Two",
    );
    caught(&found(&[source(one, "pub struct One(Box<super::two::Two>);"), two_uses_one()]), "of src/a/two.rs: Two");
    caught(
        &found(&[source(one, "use super::two;\npub struct One(two::Two);"), two_uses_one()]),
        "of src/a/two.rs: Two",
    );
    let hub = || source("src/a/mod.rs", "mod one;\nmod two;\npub use two::Two as Second;");
    let through = source(one, "use crate::a::Second;\npub struct One;");
    caught(&found(&[hub(), through, two_uses_one()]), "src/a/one.rs uses of src/a/two.rs: Two");
    let globs = source("src/a/mod.rs", "mod one;\nmod two;\npub use self::two::*;");
    caught(&found(&[globs, source(one, "use super::Two;\npub struct One;"), two_uses_one()]), "of src/a/two.rs: Two");
    let three = [
        source("src/x.rs", "fn x() { crate::y::y() }"),
        source("src/y.rs", "pub fn y() { crate::z::z() }"),
        source("src/z.rs", "use crate::x::X as _;\npub fn z() {}"),
        source("src/w.rs", "use crate::x;"),
    ];
    caught(&found(&three), "import each other: src/x.rs, src/y.rs, src/z.rs\n");
    let child = source("src/a/child.rs", "use super::Parent;\npub fn child(_: Parent) {}");
    let parent = source("src/a/mod.rs", "mod child;\npub struct Parent;\nfn a() { child::child(Parent) }");
    caught(&found(&[parent, child]), "src/a/child.rs uses of src/a/mod.rs: Parent");
}

#[test]
fn what_only_looks_like_a_circle_is_left_alone() {
    let source = Source::new;
    let hub = source("src/a/mod.rs", "mod one;\nmod two;\npub use one::One;\npub use two::{Two};");
    let one = source("src/a/one.rs", "// use super::Two;\n#[cfg(test)]\nuse super::Two;\npub struct One;");
    let two = source("src/a/two.rs", "use super::One;\npub struct Two(One);");
    let tests = source("src/a/one/tests.rs", "use crate::a::{One, Two};");
    nothing_in(&violations(&[hub, one, two, tests], &[]));
}

#[test]
fn the_list_of_harmless_circles_is_exact() {
    let sources =
        [Source::new("src/x.rs", "use crate::y::Y;\npub struct X;"), Source::new("src/y.rs", "use crate::x::X;")];
    nothing_in(&violations(&sources, &[(&["src/x.rs", "src/y.rs"], "why")]));
    caught(&violations(&sources[..1], &[(&["src/x.rs", "src/y.rs"], "why")]), "no circle any more");
}
