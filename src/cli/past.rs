//! `--as-of`: the tables as they were at an earlier time.

use std::io::Write as _;

use clap::Args;

use super::{CliError, Session, ask, progress};
use crate::{
    app::{self, Stores},
    projections::{self, Projection},
    services::models::past::{AsOf, Reach, reach},
};

#[derive(Debug, Clone, Copy, Default, Args)]
pub struct AsOfOption {
    /// Answer as of a past time (2026-05-03T10:00, UTC unless an offset is given) or position:1234. Counts all events
    /// recorded until then; personal data is decrypted with today's keys
    #[arg(long, value_name = "T")]
    as_of: Option<AsOf>,
}

impl AsOfOption {
    /// Opens the stores with the tables as they were then, or up to date if no time was given. Only `tables` are filled.
    pub async fn stores(self, session: &Session, tables: &[&str]) -> Result<Stores, CliError> {
        let stores = session.existing_stores().await?;
        let Some(as_of) = self.as_of else {
            ask::refresh(&stores).await?;
            return Ok(stores);
        };
        let tables: Vec<&'static Projection> = tables.iter().filter_map(|name| projections::named(name)).collect();
        let stores = app::for_replay(&stores);
        let bar = progress::bar();
        let done = stores.projector.replay_as_of(&tables, &as_of, &mut |step| progress::show(&bar, step)).await;
        bar.finish_and_clear();
        print_moment(done?);
        Ok(stores)
    }

    /// The end of the ledger at that time, if one was given.
    pub async fn reach(self, stores: &Stores) -> Result<Option<Reach>, CliError> {
        let Some(as_of) = self.as_of else { return Ok(None) };
        let bar = progress::bar();
        let (store, clock) = (stores.journal.store(), &stores.clock);
        let found = reach(store, clock, &as_of, &mut |step| progress::show(&bar, step)).await;
        bar.finish_and_clear();
        let found = found.map_err(CliError::refused)?;
        print_moment(found);
        Ok(Some(found))
    }
}

/// Printed on standard error, so that the answer has the same format with and without `--as-of`.
fn print_moment(reach: Reach) {
    let text = match reach.recorded_at {
        Some(at) => {
            format!("as of {} events, the last one recorded at {}", reach.events, at.format("%Y-%m-%d %H:%M:%SZ"))
        }
        None => "the ledger was empty at that time".to_owned(),
    };
    drop(writeln!(std::io::stderr(), "({text})"));
}
