//! What every vault promises while its master key changes. A backend runs it with `rotation_suite!(open)`: `open` answers a
//! vault that can use two master keys, and the name of the one that is not in use.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use syncledger::{
    domain::ids::SubjectId,
    keys::keyring::Keyring,
    ports::{
        master_keys::MasterKeys,
        rotation::Rotation,
        vault::{KeyState, Vault},
    },
    record::wrap::MasterKey,
};

/// Two master keys; the ledger's own is the first that was used.
struct TwoKeys(MasterKey, MasterKey);

impl MasterKeys for TwoKeys {
    fn find(&self, id: &str) -> Option<MasterKey> {
        [&self.0, &self.1].into_iter().find(|key| key.id() == id).cloned()
    }
    fn newest(&self) -> Option<MasterKey> {
        Some(self.0.clone())
    }
}

pub fn two_keys() -> Keyring {
    Keyring::new(Arc::new(TwoKeys(MasterKey::new([7; 32]), MasterKey::new([8; 32]))))
}

macro_rules! rotation_suite {
    ($open:path) => {
        $crate::conformance::rotation::rotation_suite!(
            $open,
            every_key_survives_a_rotation,
            what_is_destroyed_meanwhile_stays_destroyed,
            every_step_may_be_taken_again
        );
    };
    ($open:path, $($law:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let (vault, other, _keep) = $open().await;
                $crate::conformance::rotation::$law(vault, other).await;
            }
        )*
    };
}
pub(crate) use rotation_suite;

fn subject(number: usize) -> SubjectId {
    SubjectId::new(format!("s{number}")).unwrap()
}

fn then() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap()
}

async fn current(vault: &impl Rotation) -> String {
    vault.wrapping_status().await.unwrap().current.unwrap()
}

pub async fn every_key_survives_a_rotation(vault: Arc<impl Vault + Rotation>, other: String) {
    let mut made = Vec::new();
    for number in 0..10 {
        made.push(vault.key_or_new(&subject(number)).await.unwrap());
    }
    let before = current(&*vault).await;
    vault.begin(&before, &other, then()).await.unwrap();
    let standing = vault.wrapping_status().await.unwrap();
    assert_eq!((standing.current.as_deref(), standing.previous.as_deref()), (Some(&*other), Some(&*before)));
    assert_eq!(standing.left(), 10);
    vault.finish().await.unwrap_err();
    let fresh = vault.key_or_new(&subject(10)).await.unwrap();
    assert_eq!(vault.wrapping_status().await.unwrap().left(), 10, "what is made now is under the new key at once");
    assert_eq!(vault.rewrap(4).await.unwrap(), 4);
    assert_eq!(vault.wrapping_status().await.unwrap().left(), 6);
    while vault.rewrap(4).await.unwrap() > 0 {}
    vault.finish().await.unwrap();
    let standing = vault.wrapping_status().await.unwrap();
    assert_eq!((standing.left(), standing.previous), (0, None));
    assert_eq!(standing.tables["subject_keys"][&other], 11);
    made.push(fresh);
    for (number, key) in made.iter().enumerate() {
        let kept = vault.key(&subject(number)).await.unwrap();
        assert!(matches!(kept, KeyState::Held(kept) if kept.id == key.id && kept.bytes == key.bytes), "{number}");
    }
}

pub async fn what_is_destroyed_meanwhile_stays_destroyed(vault: Arc<impl Vault + Rotation>, other: String) {
    for number in 0..4 {
        vault.key_or_new(&subject(number)).await.unwrap();
    }
    vault.begin(&current(&*vault).await, &other, then()).await.unwrap();
    vault.rewrap(2).await.unwrap();
    for number in 0..4 {
        vault.destroy(&subject(number), then()).await.unwrap();
    }
    assert_eq!(vault.rewrap(9).await.unwrap(), 0);
    vault.finish().await.unwrap();
    for number in 0..4 {
        assert!(matches!(vault.key(&subject(number)).await.unwrap(), KeyState::Destroyed(_)));
    }
}

pub async fn every_step_may_be_taken_again(vault: Arc<impl Vault + Rotation>, other: String) {
    vault.key_or_new(&subject(0)).await.unwrap();
    let before = current(&*vault).await;
    for _ in 0..2 {
        vault.begin(&before, &other, then()).await.unwrap();
        vault.rewrap(9).await.unwrap();
    }
    assert_eq!(
        vault.wrapping_status().await.unwrap().previous.as_deref(),
        Some(&*before),
        "begun again, the key before stays known"
    );
    for _ in 0..2 {
        vault.finish().await.unwrap();
        vault.begin(&before, &other, then()).await.unwrap();
    }
    vault.begin("a stranger's", &before, then()).await.unwrap_err();
    assert_eq!(current(&*vault).await, other);
}
