//! `--as-of`: what the tables said at an earlier moment of the ledger.

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
    /// As it was then: 2026-05-03T10:00 (UTC unless an offset is given), or position:1234. All events recorded up to then
    /// count; personal texts open with the keys of today
    #[arg(long, value_name = "T")]
    as_of: Option<AsOf>,
}

impl AsOfOption {
    /// Opens what is kept, with tables as they were then; up to date where no moment was named. Only `tables` are filled.
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

    /// How far the ledger reached then, where a moment was named.
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

/// On standard error: the answer itself stays what it is without `--as-of`.
fn print_moment(reach: Reach) {
    let said = match reach.recorded_at {
        Some(at) => format!("as of {} events, the last recorded at {}", reach.events, at.format("%Y-%m-%d %H:%M:%SZ")),
        None => "as of then, the ledger was empty".to_owned(),
    };
    drop(writeln!(std::io::stderr(), "({said})"));
}
