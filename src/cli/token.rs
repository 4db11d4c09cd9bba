//! `token`: creates, lists and revokes API tokens.

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{CliError, Session};
use crate::{
    ports::tokens::{Role, Token},
    services::operators::tokens,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a token; its secret is shown only once
    Create {
        /// What the token may do
        #[arg(long)]
        role: RoleArgument,
    },
    /// List tokens
    List,
    /// Revoke a token
    Revoke {
        /// Token id, as listed
        id: String,
    },
}

/// A role by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArgument {
    /// Read bookings, links, attempts and status
    Viewer,
    /// Also change bookings, retry and resync
    Operator,
    /// Everything
    Admin,
    /// Read events and proofs
    Auditor,
    /// Upload submissions of its own device
    Device,
    /// Create and change bookings on behalf of another system
    Integration,
}

impl From<RoleArgument> for Role {
    fn from(named: RoleArgument) -> Self {
        match named {
            RoleArgument::Viewer => Self::Viewer,
            RoleArgument::Operator => Self::Operator,
            RoleArgument::Admin => Self::Admin,
            RoleArgument::Auditor => Self::Auditor,
            RoleArgument::Device => Self::Device,
            RoleArgument::Integration => Self::Integration,
        }
    }
}

fn name(role: Role) -> String {
    let name = serde_json::to_value(role).expect("a role is a word");
    name.as_str().unwrap_or_default().to_owned()
}

pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    let printer = session.printer;
    match command {
        Command::Create { role } => {
            let stores = session.stores().await?;
            let (token, secret) = tokens::create(&*stores.tokens, &*stores.clock, role.into()).await?;
            if printer.json {
                let secret = secret.reveal();
                return printer.document(&json!({"id": token.id, "role": token.role, "secret": secret}));
            }
            // The secret is on a line of its own, so that it is easy to copy.
            printer.print_line(format!("Token {} ({}). Its secret is shown only once:", token.id, name(token.role)))?;
            printer.print_line(secret.reveal())
        }
        Command::List => {
            let stores = session.existing_stores().await?;
            let all = tokens::list(&*stores.tokens).await?;
            if printer.json {
                return printer.document(&all.iter().map(object).collect::<Vec<_>>());
            }
            let day = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%SZ").to_string();
            let rows = all.iter().map(|token| {
                let revoked = token.revoked_at.map(day).unwrap_or_default();
                vec![token.id.clone(), name(token.role), day(token.created_at), revoked]
            });
            printer.table(&["token", "role", "created", "revoked"], rows.collect(), "There are no tokens.")
        }
        Command::Revoke { id } => {
            let stores = session.existing_stores().await?;
            tokens::revoke(&*stores.tokens, &*stores.clock, &id).await?;
            if printer.json {
                return printer.document(&json!({"id": id, "revoked": true}));
            }
            printer.print_line(format!("Token {id} revoked"))
        }
    }
}

/// Everything except the hash.
fn object(token: &Token) -> serde_json::Value {
    json!({"id": token.id, "role": token.role, "created_at": token.created_at, "revoked_at": token.revoked_at})
}
