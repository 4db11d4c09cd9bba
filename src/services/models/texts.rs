//! Decrypts personal texts in rows of read models for those who may see them: the only place that does.
//!
//! Rows hold sealed texts (`record::sealing::close`). A text whose key was destroyed reads as empty.

use std::collections::{HashMap, hash_map::Entry};

use crate::{
    domain::ids::SubjectId,
    ports::vault::{KeyState, SubjectKey},
    projections::{self, Row, Value, query::Query},
    record::sealing::{self, KeyRef},
    services::{Error, journal::Journal},
};

impl Journal {
    /// The rows for `query` with personal texts decrypted. Asks the vault once per person.
    ///
    /// # Errors
    /// `Vault` if it is unavailable, `Damaged` if a text cannot be decrypted with its own key.
    pub async fn open_rows(&self, query: &Query, rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let table = query.table();
        let personal = projections::named(table).map_or(&[][..], |projection| projection.table.personal);
        if personal.is_empty() {
            return Ok(rows);
        }
        let mut keys: HashMap<SubjectId, Option<SubjectKey>> = HashMap::new();
        for row in &rows {
            for subject in personal.iter().filter_map(|name| sealing::closed_subject(row.text(name)?)) {
                let Entry::Vacant(place) = keys.entry(subject) else { continue };
                let key = match self.vault.key(place.key()).await? {
                    KeyState::Held(key) => Some(key),
                    KeyState::Destroyed(_) | KeyState::Unknown => None,
                };
                place.insert(key);
            }
        }
        let open = |row: Row| {
            let cells: Result<Vec<Value>, Error> = row
                .cells()
                .map(|(name, value)| match value.as_text().filter(|_| personal.contains(&name)) {
                    Some(closed) => open_text(closed, &keys).map_err(|reason| damaged(table, &row, reason)),
                    None => Ok(value.clone()),
                })
                .collect();
            Ok(row.with(cells?))
        };
        rows.into_iter().map(open).collect()
    }
}

fn open_text(closed: &str, keys: &HashMap<SubjectId, Option<SubjectKey>>) -> Result<Value, sealing::Failure> {
    let Some(subject) = sealing::closed_subject(closed) else { return Ok(Value::Null) };
    let Some(key) = keys.get(&subject).and_then(Option::as_ref) else { return Ok(Value::Null) };
    // Exactly as it was: a text that a store could not hold in the clear is decrypted unchanged.
    let open = sealing::open_closed(closed, KeyRef { id: &key.id, bytes: &key.bytes })?;
    Ok(open.map_or(Value::Null, Value::Text))
}

fn damaged(table: &str, row: &Row, reason: sealing::Failure) -> Error {
    let version = row.int("position").and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
    Error::Damaged { stream: format!("read model {table}, position"), version, reason: reason.to_string() }
}
