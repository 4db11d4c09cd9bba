//! Checks of the server for `doctor`.

use sqlx::Connection as _;

use super::{
    address::Server,
    failure::describe,
    session::{self, ServerState},
};
use crate::ports::upkeep::Finding;

const NAME: &str = "ledger's server";

pub(super) async fn examine(server: &Server) -> Vec<Finding> {
    let looked = async {
        let mut connection = session::connect(server).await?;
        let standing = session::server_state(&mut connection).await?;
        connection.close().await.ok();
        Ok(standing)
    };
    match looked.await {
        Ok(standing) => findings(&standing, &server.to_string(), local(server)),
        Err(error) => {
            let error: sqlx::Error = error;
            vec![Finding::warning(NAME, describe(&error), "check that the server is running, and the credentials")]
        }
    }
}

fn local(server: &Server) -> bool {
    let options = &server.options;
    options.get_socket().is_some() || ["localhost", "127.0.0.1", "::1"].contains(&options.get_host())
}

fn findings(standing: &ServerState, address: &str, local: bool) -> Vec<Finding> {
    let version = standing.version;
    let mut findings =
        vec![Finding::ok(NAME, format!("PostgreSQL {}.{} at {address}", version / 10_000, version % 10_000))];
    if standing.unsafe_settings.is_empty() {
        findings.push(Finding::ok("durable commits", "fsync, full_page_writes and synchronous_commit are on"));
    } else {
        let found = format!("{}: acknowledged events may be lost", standing.unsafe_settings.join(", "));
        let fix = "restore these settings, and remove unsafe_settings=accepted from ledger.url";
        findings.push(Finding::warning("durable commits", found, fix));
    }
    if !standing.checksums {
        let fix = "stop the server and run pg_checksums --enable";
        findings.push(Finding::warning("page checksums", "off: disk damage may go unnoticed", fix));
    }
    if !standing.encrypted && !local {
        let fix = "add ?sslmode=verify-full to ledger.url";
        findings.push(Finding::warning("connection", "not encrypted, although the server is another machine", fix));
    }
    findings
}
