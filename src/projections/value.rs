//! Values of cells, and rows of query results.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::record::envelope::write_time;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; instants as RFC 3339 with six decimals in UTC, so that sorting as text sorts by time.
    Text,
    /// A whole number.
    Int,
    /// Boolean.
    Bool,
}

/// Value of a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Int(_) => None,
        }
    }
}

/// A text that every store can keep: PostgreSQL cannot store a zero byte, so it is replaced everywhere.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(storable(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(if text.contains('\0') { storable(&text) } else { text })
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    /// Numbers beyond 2^63 do not occur: versions, counts and revisions start at zero and grow by one.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Text(write_time(at))
    }
}

impl From<NaiveDate> for Value {
    fn from(day: NaiveDate) -> Self {
        Self::Text(day.to_string())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a query result: names and values, in the order of the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    names: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// A row with these values and names; one name per value.
    pub fn new(names: Arc<[String]>, values: Vec<Value>) -> Self {
        debug_assert_eq!(names.len(), values.len(), "one name per value");
        Self { names, values }
    }

    /// The cell with this name; `Null` if there is no such column.
    pub fn get(&self, name: &str) -> &Value {
        self.names.iter().position(|n| n == name).and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// Its text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_text()
    }

    /// Its number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Int(number) => Some(*number),
            Value::Null | Value::Bool(_) | Value::Text(_) => None,
        }
    }

    /// Whether it is `true`.
    pub fn flag(&self, name: &str) -> bool {
        *self.get(name) == Value::Bool(true)
    }

    /// Its instant.
    pub fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        self.text(name).and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.to_utc())
    }

    /// The same names with other values, one per name.
    #[must_use]
    pub fn with(&self, values: Vec<Value>) -> Self {
        Self::new(Arc::clone(&self.names), values)
    }

    /// Names and values, in order.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.iter().map(String::as_str).zip(&self.values)
    }
}
