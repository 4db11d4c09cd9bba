//! Kurrent's Python client, and messages written by hand, against the gateway.

use syncledger::services::submit::Accept;

use super::world::{BACKENDS, PATIENCE, World};
use crate::sandbox::support::{python, tools};

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_finds_what_it_expects() {
    for backend in BACKENDS {
        let world = World::start(backend, Accept::Known).await;
        let run = tokio::process::Command::new(python())
            .arg(tools().join("kurrentdb_client.py"))
            .args([world.url("admin"), world.url("viewer"), world.address.to_string()])
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE * 4, run).await.expect("it ends").unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{backend:?}: {out}\n{err}");
        assert_eq!(out, "as documented\n");
    }
}
