//! Kurrent's Python client, and messages written by hand, against the gateway.

use syncledger::{gateway::Limits, services::external_events::Accept};

use super::world::{BACKENDS, World, authority};
use crate::{
    sandbox::support::{python, tools},
    support::patience::soon,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_finds_what_it_expects() {
    for backend in BACKENDS {
        let (authority, acceptor) = authority();
        let world = World::with(backend, Accept::Known, Limits::default(), Some(acceptor)).await;
        let run = tokio::process::Command::new(python())
            .arg(tools().join("kurrentdb_client.py"))
            .args([world.url_over_tls("admin"), world.url_over_tls("viewer")])
            .arg(format!("localhost:{}", world.address.port()))
            .arg(authority.path())
            .kill_on_drop(true)
            .output();
        let output = soon(run).await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{backend:?}: {out}\n{err}");
        assert_eq!(out, "as documented\n");
    }
}
