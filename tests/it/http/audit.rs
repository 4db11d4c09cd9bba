//! The audit trail over HTTP.

use data_encoding::BASE64;
use serde_json::Value;
use syncledger::{
    domain::ids::Position,
    ports::event_store::EventStore as _,
    record::{
        envelope::{Actor, Origin, leaf_hash},
        merkle::{Hash, continues, includes},
    },
    services::journal::Context,
};

use super::world::World;
use crate::conformance::given::{append, event};

fn hash(value: &Value) -> Hash {
    BASE64.decode(value.as_str().expect("text").as_bytes()).expect("base64").try_into().expect("32 bytes")
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().expect("a list").iter().map(hash).collect()
}

#[tokio::test]
async fn an_auditor_gets_checkpoints_and_proofs() {
    let world = World::new().await;
    let none = world.ask("GET", "/api/v1/audit/checkpoint", "auditor", None).await;
    assert_eq!(none.problem()["status"], 404);
    let context = Context::root(Actor::new("operator", "test"), Origin::Admin, event(0).id);
    for _ in 0..2 {
        for n in 0..5 {
            append(world.ledger.as_ref(), "a", syncledger::ports::event_store::ExpectedVersion::Any, &[event(n)])
                .await
                .unwrap();
        }
        world.api.audit.seal(&context).await.unwrap();
    }
    let newest = world.ask("GET", "/api/v1/audit/checkpoint", "auditor", None).await.json();
    assert_eq!((&newest["size"], &newest["position"]), (&11.into(), &11.into()));
    assert!(newest["checkpoint"].as_str().unwrap().starts_with("syncledger/loft\n11\n"));
    assert_eq!(newest["keys"].as_array().unwrap().len(), 1);

    let it = world.ledger.read_all(Position(4), 1).await.unwrap().remove(0);
    let proof = world.get(&format!("/api/v1/audit/proof/{}", it.event.id)).await;
    let leaf = leaf_hash(proof["leaf"].as_str().unwrap().as_bytes());
    assert_eq!(leaf, it.leaf);
    assert!(includes(&leaf, 4, 11, &hashes(&proof["proof"]), &hash(&newest["root"])));

    let proof = world.get("/api/v1/audit/consistency?from=5&to=11").await;
    let (old, new) = (hash(&proof["old_root"]), hash(&proof["new_root"]));
    assert!(continues((5, &old), (11, &new), &hashes(&proof["proof"])));
    assert_eq!(new, hash(&newest["root"]));

    for (path, status) in [
        ("/api/v1/audit/proof/none", 404),
        (&format!("/api/v1/audit/proof/{}", event(0).id), 404),
        ("/api/v1/audit/consistency?from=0&to=3", 409),
        ("/api/v1/audit/consistency?from=1&to=1000", 409),
        ("/api/v1/audit/consistency?from=x&to=3", 400),
    ] {
        assert_eq!(world.ask("GET", path, "auditor", None).await.problem()["status"], status, "{path}");
    }
    assert_eq!(world.ask("GET", "/api/v1/audit/checkpoint", "operator", None).await.problem()["status"], 403);
}
