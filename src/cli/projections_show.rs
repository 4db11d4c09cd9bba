//! `projections show`: the rows of a read model, now or in the past.

use clap::Args;

use super::{
    CliError, Session, ask,
    past::AsOfOption,
    print::{cell, objects},
};
use crate::projections::{self, ALL, Projection, Row, Value, query::Query};

#[derive(Debug, Args)]
pub struct Show {
    /// Name of the read model
    name: String,
    /// Only the row with this key; give once per key column, in order
    #[arg(long, value_name = "VALUE")]
    key: Vec<String>,
    /// Only rows with this value in this column; an empty value matches rows without one
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    wanted: Vec<String>,
    /// Maximum number of rows
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    then: AsOfOption,
}

/// Refuses a name that no read model has.
pub fn check_name(name: &str) -> Result<(), CliError> {
    if ALL.iter().any(|projection| projection.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = ALL.iter().map(|projection| projection.name).collect();
    Err(CliError::usage(format!("there is no projection {name:?}: choose one of {}", names.join(", "))))
}

/// Columns that only the store needs.
const HIDDEN: [&str; 2] = ["position", "removed"];

pub async fn run(session: &Session, show: Show) -> Result<(), CliError> {
    check_name(&show.name)?;
    let Some(projection) = projections::named(&show.name) else { return Ok(()) };
    let wanted = wanted(projection, &show)?;
    let stores = show.then.stores(session, &[projection.name]).await?;
    let fits = |row: &Row| wanted.iter().all(|(column, value)| holds(row.get(column), value));
    let rows: Vec<Row> = if wanted.is_empty() {
        ask::first(&stores, show.limit, |page| Query::Table(projection, page)).await?
    } else {
        let all = ask::all(&stores, |page| Query::Table(projection, page)).await?;
        all.into_iter().filter(fits).take(show.limit).collect()
    };
    let printer = session.printer;
    if printer.json {
        return printer.document(&objects(&rows));
    }
    if let [row] = rows.as_slice() {
        let filled = row.cells().filter(|(name, value)| **value != Value::Null && !HIDDEN.contains(name));
        let fields = filled.map(|(name, _)| vec![name.replace('_', " "), cell(row, name)]);
        return printer.table(&["field", "value"], fields.collect(), "");
    }
    // Leave out columns that are empty in every row.
    let has_value = |column: &&str| rows.iter().any(|row| *row.get(column) != Value::Null);
    let columns: Vec<&str> = projection.table.columns.iter().map(|column| column.name).filter(has_value).collect();
    let table = rows.iter().map(|row| columns.iter().map(|name| cell(row, name)).collect());
    printer.table(&columns, table.collect(), "No matching rows.")?;
    if rows.len() >= show.limit {
        printer.print_line(format!("({} shown; use --limit to show more)", show.limit))
    } else {
        Ok(())
    }
}

/// The required value per column.
fn wanted(projection: &Projection, show: &Show) -> Result<Vec<(String, String)>, CliError> {
    let keys = projection.table.key_columns();
    if show.key.len() > keys.len() {
        let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        return Err(CliError::usage(format!("the key of {} is: {}", projection.name, names.join(", "))));
    }
    let mut wanted: Vec<(String, String)> =
        keys.iter().zip(&show.key).map(|(column, value)| (column.name.to_owned(), value.clone())).collect();
    for condition in &show.wanted {
        let Some((column, value)) = condition.split_once('=') else {
            return Err(CliError::usage(format!("{condition:?} is not a condition: expected COLUMN=VALUE")));
        };
        if !projection.table.columns.iter().any(|known| known.name == column) {
            let names: Vec<&str> = projection.table.columns.iter().map(|known| known.name).collect();
            return Err(CliError::usage(format!(
                "{} has no column {column:?}; its columns are {}",
                projection.name,
                names.join(", ")
            )));
        }
        wanted.push((column.to_owned(), value.to_owned()));
    }
    Ok(wanted)
}

fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Null => wanted.is_empty(),
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Int(number) => wanted.parse() == Ok(*number),
        Value::Text(text) => wanted == text,
    }
}
