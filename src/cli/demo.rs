//! `demo`: the whole program with an embedded calendar and booking source.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio_util::sync::CancellationToken;

use super::{CliError, serve::told_to_stop};
use crate::{
    app::logging,
    config::{LogFormat, Logging},
    demo,
};

/// Arguments of `demo`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Arguments {
    /// Stop after the checklist
    #[arg(long)]
    once: bool,
    /// Address to listen on [default: any free port on localhost]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(arguments: &Arguments, env: &BTreeMap<String, String>, json: bool) -> Result<(), CliError> {
    let filter = env.get("RUST_LOG").cloned().unwrap_or_else(|| "error".to_owned());
    logging::start(&Logging { format: LogFormat::Human, filter }).map_err(CliError::usage)?;
    let stop = CancellationToken::new();
    tokio::spawn(told_to_stop(stop.clone()));
    let options = demo::Options { once: arguments.once, json, listen: arguments.listen };
    if demo::run(&options, stop).await? { Ok(()) } else { Err(CliError::refused("a check failed")) }
}
