//! Output: tables for people, JSON for programs, and no control characters that could affect a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use super::exit::CliError;
use crate::projections::{Row, Value};

/// How a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    /// JSON for programs.
    pub json: bool,
    /// Borders, wrapping and bold type for a terminal.
    rich: bool,
    /// Bold type, unless `NO_COLOR` is set.
    styled: bool,
}

impl Printer {
    /// For standard output; `no_color` is the value of `NO_COLOR`.
    pub fn new(json: bool, no_color: Option<&str>) -> Self {
        let rich = io::stdout().is_terminal();
        Self { json, rich, styled: rich && no_color.is_none_or(str::is_empty) }
    }

    /// Whether standard output is a terminal.
    pub fn watched(self) -> bool {
        self.rich && !self.json
    }

    /// Prints one or more lines.
    pub fn print_line(self, text: impl AsRef<str>) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", clean(text.as_ref()).trim_end_matches('\n'))?;
        Ok(out.flush()?)
    }

    /// Prints a JSON document.
    pub fn document(self, document: &impl Serialize) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, document).map_err(io::Error::from)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// Prints one JSON document on a line of its own.
    pub fn line(self, document: &impl Serialize) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, document).map_err(io::Error::from)?;
        Ok(writeln!(out)?)
    }

    /// Prints a table, or `none` if it has no rows.
    pub fn table(self, columns: &[&str], rows: Vec<Vec<String>>, none: &str) -> Result<(), CliError> {
        if rows.is_empty() {
            return self.print_line(none);
        }
        let mut table = Table::new();
        table.load_style(if self.rich { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
        if self.rich {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        if self.styled {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let head = columns.iter().map(|name| {
            let cell = Cell::new(name);
            if self.styled { cell.add_attribute(Attribute::Bold) } else { cell }
        });
        table.set_header(head);
        for row in rows {
            // A line break inside a cell would make one row look like two.
            table.add_row(row.iter().map(|cell| clean(cell).replace('\n', " ")));
        }
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let mut out = io::stdout().lock();
        writeln!(out, "{}", lines.join("\n"))?;
        Ok(out.flush()?)
    }
}

/// Replaces characters that could move the cursor; line breaks are kept.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A row as a JSON object, keyed by column name.
pub fn object(row: &Row) -> serde_json::Value {
    let cells = row.cells().map(|(name, value)| (name.to_owned(), json(value)));
    serde_json::Value::Object(cells.collect())
}

/// Rows as a JSON list.
pub fn objects(rows: &[Row]) -> serde_json::Value {
    rows.iter().map(object).collect()
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
    }
}

/// A cell of a row as table text.
pub fn cell(row: &Row, name: &str) -> String {
    match row.get(name) {
        Value::Null => String::new(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

/// An instant of a row, to the second, in UTC.
pub fn time(row: &Row, name: &str) -> String {
    row.time(name).map(|at| at.format("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default()
}
