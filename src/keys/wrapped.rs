//! The tables of secrets: what is encrypted with the master key, and the statements shared by all of them.

use std::sync::Arc;

use super::keyring::Keyring;
use crate::{
    ports::{clock::Clock, vault::Failure},
    record::wrap::Place,
};

/// A table of secrets: each row has `master`, `nonce` and `wrapped`, all of them null if the secret was destroyed.
#[derive(Debug)]
pub struct WrappedTable {
    /// Its name, which is part of the place that a secret is bound to.
    pub name: &'static str,
    /// The column that identifies its rows: part of that place.
    pub row: Column,
    /// The id of the secret: part of that place.
    pub key: Column,
}

/// A column, and whether it contains bytes, which are written as hex digits.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// It contains a text.
    Text(&'static str),
    /// It contains bytes.
    Bytes(&'static str),
}

/// All tables of secrets. A new one needs an entry here: rotation then re-encrypts its secrets, and does not end before that.
pub const WRAPPED: [WrappedTable; 2] = [
    WrappedTable { name: "subject_keys", row: Column::Text("subject"), key: Column::Text("key_id") },
    WrappedTable { name: "signing_keys", row: Column::Bytes("public"), key: Column::Bytes("public") },
];

/// What differs between databases.
#[derive(Debug)]
pub struct Dialect {
    /// The hex digits of a column's bytes, in lower case.
    pub hex: fn(&str) -> String,
    /// Locks the rows that were read until the transaction ends.
    pub row_lock: &'static str,
}

/// The statements about the master key.
#[derive(Debug)]
pub struct Statements {
    /// The current master key and the previous one: `id`, `previous`.
    pub current: &'static str,
    /// The first key used becomes the ledger's own, unless secrets are already encrypted with another one:
    /// `id`, `since`.
    pub adopt: String,
    /// Replaces it with another key: `id`, `previous`, `since`.
    pub begin: &'static str,
    /// Ends a rotation, unless a secret is encrypted with another key.
    pub finish: String,
    /// The statements for each table of [`WRAPPED`], in its order.
    pub tables: Vec<TableStatements>,
}

/// The statements about one table of secrets.
#[derive(Debug)]
pub struct TableStatements {
    /// The table.
    pub table: &'static WrappedTable,
    /// Number of secrets by master key: `master`, count.
    pub count: String,
    /// At most `$2` secrets encrypted with another key than `$1`: row, key, `master`, `nonce`, `wrapped`.
    pub list: String,
    /// Replaces a secret, if it has not changed since it was listed: `master`, `nonce`, `wrapped`, then row and the old nonce.
    pub put: String,
}

impl Statements {
    /// The statements in that dialect.
    pub fn written(dialect: &Dialect) -> Self {
        static TABLES: &[WrappedTable] = &WRAPPED;
        let nothing_under_another_than = |master: &str| {
            let table = |it: &WrappedTable| format!("NOT EXISTS (SELECT 1 FROM {} WHERE master <> {master})", it.name);
            TABLES.iter().map(table).collect::<Vec<_>>().join(" AND ")
        };
        Self {
            current: "SELECT id, previous FROM master_key",
            adopt: format!(
                "INSERT INTO master_key (one, id, since) SELECT 1, $1, $2 WHERE {} ON CONFLICT DO NOTHING",
                nothing_under_another_than("$1")
            ),
            begin: "UPDATE master_key SET id = $1, previous = $2, since = $3 WHERE id = $2",
            finish: format!(
                "UPDATE master_key SET previous = NULL WHERE {}",
                nothing_under_another_than("master_key.id")
            ),
            tables: TABLES.iter().map(|table| TableStatements::written(table, dialect)).collect(),
        }
    }
}

impl TableStatements {
    fn written(table: &'static WrappedTable, dialect: &Dialect) -> Self {
        let expression = |column: Column| match column {
            Column::Text(name) => name.to_owned(),
            Column::Bytes(name) => (dialect.hex)(name),
        };
        let (name, row, key) = (table.name, expression(table.row), expression(table.key));
        Self {
            table,
            count: format!("SELECT master, count(*) FROM {name} WHERE wrapped IS NOT NULL GROUP BY master"),
            list: format!(
                "SELECT {row}, {key}, master, nonce, wrapped FROM {name} \
                 WHERE wrapped IS NOT NULL AND master <> $1 LIMIT $2 {}",
                dialect.row_lock
            ),
            put: format!("UPDATE {name} SET master = $1, nonce = $2, wrapped = $3 WHERE {row} = $4 AND nonce = $5"),
        }
    }
}

/// A secret as listed.
#[derive(Debug)]
pub struct WrappedRow {
    /// Which row it is.
    pub row: String,
    /// The secret's id.
    pub key: String,
    /// The master key that it is encrypted with.
    pub master: String,
    /// 24 bytes.
    pub nonce: Vec<u8>,
    /// The secret, encrypted.
    pub wrapped: Vec<u8>,
}

/// Re-encrypts secrets with the current master key.
#[derive(Clone)]
pub struct Rewrapper {
    pub(super) keyring: Keyring,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) workspace: String,
    /// The public name of the current master key.
    pub current: String,
}

impl Rewrapper {
    /// The nonce and the re-encrypted secret of each row, in order.
    ///
    /// # Errors
    /// `NoMaster` if a key is missing, `Unavailable` if a secret cannot be decrypted.
    pub fn rewrap(&self, table: &WrappedTable, rows: &[WrappedRow]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Failure> {
        let to = self.keyring.find(&self.current).ok_or_else(|| Failure::NoMaster(self.current.clone()))?;
        let one = |it: &WrappedRow| {
            let place =
                Place { workspace: &self.workspace, table: table.name, row: &it.row, column: "wrapped", key: &it.key };
            let from = self.keyring.find(&it.master).ok_or_else(|| Failure::NoMaster(it.master.clone()))?;
            let nonce = <&[u8; 24]>::try_from(it.nonce.as_slice()).ok();
            let opened = nonce.and_then(|nonce| from.unwrap(&place, &it.wrapped, nonce)).ok_or_else(|| {
                let (table, master) = (table.name, &it.master);
                Failure::Unavailable(format!(
                    "a secret in {table} cannot be decrypted with its own master key {master}"
                ))
            })?;
            let mut fresh = [0; 24];
            self.clock.fill(&mut fresh);
            Ok((fresh.to_vec(), to.wrap(&place, &opened, &fresh)))
        };
        rows.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_of_secrets_is_left_out_when_a_key_is_adopted_or_a_rotation_ends() {
        let dialect = Dialect { hex: |column| format!("hex({column})"), row_lock: "FOR UPDATE" };
        let statements = Statements::written(&dialect);
        for table in &WRAPPED {
            let adopts = format!("NOT EXISTS (SELECT 1 FROM {} WHERE master <> $1)", table.name);
            let finishes = format!("NOT EXISTS (SELECT 1 FROM {} WHERE master <> master_key.id)", table.name);
            assert!(statements.adopt.contains(&adopts), "{}", statements.adopt);
            assert!(statements.finish.contains(&finishes), "{}", statements.finish);
        }
        let listed: Vec<&str> = statements.tables.iter().map(|it| it.table.name).collect();
        assert_eq!(listed, ["subject_keys", "signing_keys"]);
        let (first, second) = (&statements.tables[0], &statements.tables[1]);
        assert!(
            first.list.starts_with("SELECT subject, key_id, master") && first.list.ends_with("LIMIT $2 FOR UPDATE")
        );
        assert!(second.list.starts_with("SELECT hex(public), hex(public), master"), "{}", second.list);
        assert!(second.put.ends_with("WHERE hex(public) = $4 AND nonce = $5"), "{}", second.put);
    }
}
