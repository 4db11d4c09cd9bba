//! The suites on the memory backend.

use std::sync::Arc;

use futures::executor::block_on;
use syncledger::{
    adapters::memory::{MemoryLedger, MemoryTokens, MemoryVault},
    ports::event_store::ExpectedVersion,
};

use super::{
    event_store::{Store, event_store_suite},
    given::{append, clock, event, sound},
    rotation::rotation_suite,
    tokens::tokens_suite,
    vault::vault_suite,
};

async fn open() -> (Store, ()) {
    (Arc::new(MemoryLedger::new()), ())
}

async fn open_vault() -> (Arc<MemoryVault>, ()) {
    (Arc::new(MemoryVault::new(clock())), ())
}

async fn open_rotation() -> (Arc<MemoryVault>, String, ()) {
    (Arc::new(MemoryVault::new(clock())), "another".to_owned(), ())
}

async fn open_tokens() -> (MemoryTokens, ()) {
    (MemoryTokens::new(), ())
}

event_store_suite!(open);
vault_suite!(open_vault);
rotation_suite!(open_rotation);
tokens_suite!(open_tokens);

#[test]
fn it_needs_no_runtime() {
    block_on(async {
        let store = MemoryLedger::new();
        append(&store, "a", ExpectedVersion::NoStream, &[event(0)]).await.unwrap();
        assert_eq!(sound(&store).await.len(), 1);
    });
}
