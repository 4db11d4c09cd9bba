//! What every vault promises. A backend runs it with `vault_suite!(open)`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use syncledger::{
    domain::ids::SubjectId,
    ports::vault::{Failure, KeyState, Vault},
};

macro_rules! vault_suite {
    ($open:path) => {
        $crate::conformance::vault::vault_suite!(
            $open,
            a_key_is_made_once,
            a_destroyed_key_stays_destroyed,
            a_subject_without_a_key_can_be_forgotten,
            callers_at_once_get_one_key
        );
    };
    ($open:path, $($law:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let (vault, _keep) = $open().await;
                $crate::conformance::vault::$law(vault).await;
            }
        )*
    };
}
pub(crate) use vault_suite;

fn subject(id: &str) -> SubjectId {
    SubjectId::new(id).unwrap()
}

fn then() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap()
}

pub async fn a_key_is_made_once(vault: Arc<impl Vault>) {
    let anna = subject("anna");
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Unknown));
    let made = vault.key_or_new(&anna).await.unwrap();
    let again = vault.key_or_new(&anna).await.unwrap();
    assert_eq!((&made.id, &made.bytes), (&again.id, &again.bytes));
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Held(key) if key.bytes == made.bytes));
    let other = vault.key_or_new(&subject("berta")).await.unwrap();
    assert!(other.id != made.id && other.bytes != made.bytes);
}

pub async fn a_destroyed_key_stays_destroyed(vault: Arc<impl Vault>) {
    let anna = subject("anna");
    vault.key_or_new(&anna).await.unwrap();
    let kept = vault.key_or_new(&subject("berta")).await.unwrap();
    vault.destroy(&anna, then()).await.unwrap();
    vault.destroy(&anna, then() + TimeDelta::hours(1)).await.unwrap();
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Destroyed(at) if at == then()));
    assert!(matches!(vault.key_or_new(&anna).await, Err(Failure::Forgotten(who)) if who == anna));
    assert!(matches!(vault.key(&subject("berta")).await.unwrap(), KeyState::Held(key) if key.bytes == kept.bytes));
}

pub async fn a_subject_without_a_key_can_be_forgotten(vault: Arc<impl Vault>) {
    let anna = subject("anna");
    vault.destroy(&anna, then()).await.unwrap();
    assert!(matches!(vault.key(&anna).await.unwrap(), KeyState::Destroyed(at) if at == then()));
    assert!(matches!(vault.key_or_new(&anna).await, Err(Failure::Forgotten(_))));
}

pub async fn callers_at_once_get_one_key(vault: Arc<impl Vault + 'static>) {
    let keys = join_all((0..32).map(|_| {
        let vault = Arc::clone(&vault);
        tokio::spawn(async move { vault.key_or_new(&subject("anna")).await.unwrap() })
    }))
    .await;
    let keys: Vec<_> = keys.into_iter().map(Result::unwrap).collect();
    assert!(keys.iter().all(|key| key.id == keys[0].id && key.bytes == keys[0].bytes));
}
