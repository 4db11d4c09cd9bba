//! SQL statements of the read models: those in `projections/<name>.sql`, and those derived from a table's columns.
//!
//! All databases use the same statements. Differences are in the [`Dialect`] given by the adapter.
//!
//! sqlx accepts only `&'static str`, so that values cannot become part of a statement. Statements built here use only
//! constants and are leaked, once per process and dialect: the only place that does this. Their number is bounded by
//! the number of tables.

use std::collections::HashMap;

use super::{ALL, Column, Kind, Projection, TableCopy};

/// The SQL files.
const FILES: [(&str, &str); 12] = [
    ("bookings", include_str!("../../projections/bookings.sql")),
    ("links", include_str!("../../projections/links.sql")),
    ("entries", include_str!("../../projections/entries.sql")),
    ("attempts", include_str!("../../projections/attempts.sql")),
    ("open_commands", include_str!("../../projections/open_commands.sql")),
    ("dead_letters", include_str!("../../projections/dead_letters.sql")),
    ("connections", include_str!("../../projections/connections.sql")),
    ("calendars", include_str!("../../projections/calendars.sql")),
    ("channels", include_str!("../../projections/channels.sql")),
    ("cursors", include_str!("../../projections/cursors.sql")),
    ("approvals", include_str!("../../projections/approvals.sql")),
    ("deliveries", include_str!("../../projections/deliveries.sql")),
];

/// Indexes keep their names when a table is renamed, so each copy uses the first free set of names.
const INDEX_SETS: [&str; 3] = ["a", "b", "c"];

/// The table of checkpoints.
pub const CHECKPOINTS_TABLE: &str = "projection_checkpoints";

/// The table of checkpoints.
pub const CREATE_CHECKPOINTS: &str = "CREATE TABLE IF NOT EXISTS projection_checkpoints (
    name       TEXT NOT NULL PRIMARY KEY,
    version    BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    updated_at TEXT NOT NULL
)";

/// Reads all checkpoints.
pub const CHECKPOINTS: &str = "SELECT name, version, position, updated_at FROM projection_checkpoints";

/// Reads the checkpoint of a copy.
pub const CHECKPOINT: &str = "SELECT position FROM projection_checkpoints WHERE name = $1";

/// Writes the checkpoint of a copy.
pub const PUT_CHECKPOINT: &str = "INSERT INTO projection_checkpoints (name, version, position, updated_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE \
    SET version = excluded.version, position = excluded.position, updated_at = excluded.updated_at";

/// Deletes the checkpoint of a copy.
pub const DROP_CHECKPOINT: &str = "DELETE FROM projection_checkpoints WHERE name = $1";

/// Differences between databases.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// A statement `-- name: list @tag` replaces the one without a tag.
    pub tag: &'static str,
    /// Type of texts that are compared and ordered by bytes.
    pub text: &'static str,
    /// Reads the rows of many keys.
    pub read: fn(&Shape<'_>) -> String,
    /// Inserts or replaces many rows, if the existing ones are older.
    pub write: fn(&Shape<'_>) -> String,
}

/// A copy of a table, for statements written by a dialect.
#[derive(Debug)]
pub struct Shape<'a> {
    /// Name of the copy.
    pub table: &'a str,
    /// Its columns, `position` and `removed` last.
    pub columns: &'a [Column],
    /// Number of key columns.
    pub keys: usize,
}

impl Shape<'_> {
    /// The column names, each with this prefix, separated by commas.
    pub fn listed(&self, before: &str) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| format!("{before}{}", column.name)).collect();
        names.join(", ")
    }

    /// What follows the new rows: a row is replaced only by a newer one.
    pub fn or_replace(&self) -> String {
        let (key, rest) = self.columns.split_at(self.keys);
        let key: Vec<&str> = key.iter().map(|column| column.name).collect();
        let set: Vec<String> = rest.iter().map(|column| format!("{0} = excluded.{0}", column.name)).collect();
        let (table, key, set) = (self.table, key.join(", "), set.join(", "));
        format!("ON CONFLICT ({key}) DO UPDATE SET {set} WHERE {table}.position < excluded.position")
    }
}

/// The statements of one copy of a table.
#[derive(Debug)]
pub struct Statements {
    /// Name of the copy.
    pub table: &'static str,
    /// Creates it, per set of index names.
    create: [&'static str; INDEX_SETS.len()],
    /// Drops it, if it exists.
    pub drop: &'static str,
    /// See [`Dialect::read`].
    pub read: &'static str,
    /// See [`Dialect::write`].
    pub write: &'static str,
    /// Number of rows that differ between the live copy and this one.
    pub differing: &'static str,
    /// Keys of differing rows, ascending; at most `$1`.
    pub differing_keys: &'static str,
    /// Number of rows in the live copy.
    pub count: &'static str,
    /// Renames this copy to the live one.
    pub rename: &'static str,
    name: &'static str,
}

impl Statements {
    /// Creates the copy, when other copies use the index names `taken`.
    pub fn create(&self, taken: &[String]) -> &'static str {
        let free = INDEX_SETS.iter().position(|set| {
            let prefix = format!("{set}_{}_", self.name);
            !taken.iter().any(|name| name.starts_with(&prefix))
        });
        // There are at most three copies and three sets, so one is always free.
        self.create[free.unwrap_or(0)]
    }
}

/// All statements in one dialect.
#[derive(Debug)]
pub struct StatementBook {
    named: HashMap<(&'static str, &'static str), &'static str>,
    copies: HashMap<(&'static str, TableCopy), Statements>,
    tables: HashMap<&'static str, (&'static str, TableCopy)>,
}

impl StatementBook {
    /// Builds the statements. Call it once per process.
    pub fn written(dialect: &Dialect) -> Self {
        let mut named = HashMap::new();
        for (file, text) in FILES {
            let (own, common): (Vec<_>, Vec<_>) =
                sections(text).filter(|s| s.tag.is_none_or(|tag| tag == dialect.tag)).partition(|s| s.tag.is_some());
            named.extend(common.into_iter().chain(own).map(|section| ((file, section.name), section.statement)));
        }
        let mut book = Self { named, copies: HashMap::new(), tables: HashMap::new() };
        for projection in ALL {
            for table_copy in TableCopy::ALL {
                let statements = book.build(dialect, projection, table_copy);
                book.tables.insert(statements.table, (projection.name, table_copy));
                book.copies.insert((projection.name, table_copy), statements);
            }
        }
        book
    }

    /// The statements of one copy.
    pub fn copy(&self, projection: &Projection, table_copy: TableCopy) -> &Statements {
        &self.copies[&(projection.name, table_copy)]
    }

    /// The statement with this name in that projection's file.
    pub fn named(&self, projection: &str, name: &str) -> &'static str {
        self.named.get(&(projection, name)).copied().expect("questions are asked in statements that the files name")
    }

    /// The projection and copy of a table name; `None` for a table of another program version.
    pub fn copy_named(&self, table: &str) -> Option<(&'static str, TableCopy)> {
        self.tables.get(table).copied()
    }

    fn build(&self, dialect: &Dialect, projection: &Projection, table_copy: TableCopy) -> Statements {
        let name = projection.name;
        let table: &'static str = leak(format!("{name}{}", table_copy.suffix()));
        let added = [Column { name: "position", kind: Kind::Int }, Column { name: "removed", kind: Kind::Bool }];
        let columns: Vec<Column> = projection.table.columns.iter().copied().chain(added).collect();
        let shape = Shape { table, columns: &columns, keys: projection.table.keys };
        let listed = shape.listed("");
        let key: Vec<&str> = projection.table.key_columns().iter().map(|column| column.name).collect();
        let key = key.join(", ");
        let except = |one: &str, two: &str| {
            format!("SELECT {key} FROM (SELECT {listed} FROM {one} EXCEPT SELECT {listed} FROM {two}) AS only_{one}")
        };
        let both = format!("{} UNION {}", except(name, table), except(table, name));
        let create = |set: &str| {
            let made = self
                .named(name, "create")
                .replace(&format!("TABLE {name} "), &format!("TABLE {table} "))
                .replace(&format!("INDEX {name}_"), &format!("INDEX {set}_{name}_"))
                .replace(&format!(" ON {name} "), &format!(" ON {table} "))
                .replace(" TEXT", &format!(" {}", dialect.text));
            leak(made)
        };
        Statements {
            table,
            create: INDEX_SETS.map(create),
            drop: leak(format!("DROP TABLE IF EXISTS {table}")),
            read: leak((dialect.read)(&shape)),
            write: leak((dialect.write)(&shape)),
            differing: leak(format!("SELECT count(*) FROM ({both}) AS differing")),
            differing_keys: leak(format!("SELECT * FROM ({both}) AS differing ORDER BY {key} LIMIT $1")),
            count: leak(format!("SELECT count(*) FROM {name}")),
            rename: leak(format!("ALTER TABLE {table} RENAME TO {name}")),
            name,
        }
    }
}

/// A statement in a file: `-- name: list` or `-- name: list @postgres`, then the statement up to the next name.
struct Section {
    name: &'static str,
    tag: Option<&'static str>,
    statement: &'static str,
}

fn sections(text: &'static str) -> impl Iterator<Item = Section> {
    text.split("-- name: ").skip(1).filter_map(|section| section.split_once('\n')).map(|(line, statement)| {
        let (name, tag) = line.split_once('@').map_or((line, None), |(name, tag)| (name, Some(tag.trim())));
        Section { name: name.trim(), tag, statement }
    })
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_statement_is_its_own_dialects_alone() {
        let text = "-- a file\n-- name: list\nSELECT 1;\n-- name: list @other\nSELECT 2;\n-- name: one\nSELECT 3;";
        let found: Vec<_> = sections(text).map(|s| (s.name, s.tag, s.statement.trim())).collect();
        let expected =
            vec![("list", None, "SELECT 1;"), ("list", Some("other"), "SELECT 2;"), ("one", None, "SELECT 3;")];
        assert_eq!(found, expected);
    }

    #[test]
    fn copies_of_a_table_share_no_name() {
        let dialect = Dialect { tag: "test", text: "WORDS", read: |_| String::new(), write: |_| String::new() };
        let book = StatementBook::written(&dialect);
        for projection in ALL {
            let live = book.copy(projection, TableCopy::Live);
            let next = book.copy(projection, TableCopy::Next);
            assert!(live.create(&[]).contains(&format!("CREATE TABLE {} (", projection.name)));
            assert!(!live.create(&[]).contains(" TEXT"), "the dialect names the type of texts");
            let created = next.create(&[format!("a_{}_list", projection.name)]);
            assert!(created.contains(&format!("CREATE TABLE {}__next (", projection.name)));
            assert!(!created.contains(&format!(" ON {} ", projection.name)), "{created}");
            assert!(!created.contains(&format!("INDEX a_{}_", projection.name)), "{created}");
            assert_eq!(book.copy_named(next.table), Some((projection.name, TableCopy::Next)));
        }
    }
}
