//! What every token store promises. A backend runs it with `tokens_suite!(open)`.

use chrono::{DateTime, TimeDelta, Utc};
use syncledger::ports::tokens::{Role, Token, Tokens};

macro_rules! tokens_suite {
    ($open:path) => {
        $crate::conformance::tokens::tokens_suite!(
            $open,
            tokens_are_found_by_hash_and_listed_oldest_first,
            a_revoked_token_keeps_its_first_time,
            a_token_is_not_replaced
        );
    };
    ($open:path, $($law:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let (tokens, _keep) = $open().await;
                $crate::conformance::tokens::$law(&tokens).await;
            }
        )*
    };
}
pub(crate) use tokens_suite;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_780_000_000_123_456).unwrap() + TimeDelta::minutes(minute)
}

fn token(id: &str, role: Role, hash: u8, minute: i64) -> Token {
    Token { id: id.to_owned(), role, hash: [hash; 32], created_at: at(minute), revoked_at: None }
}

pub async fn tokens_are_found_by_hash_and_listed_oldest_first(tokens: &impl Tokens) {
    let roles = [Role::Viewer, Role::Operator, Role::Admin, Role::Auditor, Role::Device, Role::Integration];
    let mut made = Vec::new();
    for (n, role) in (1..).zip(roles) {
        let token = token(&format!("t{n}"), role, n, 100 - i64::from(n));
        tokens.add(token.clone()).await.unwrap();
        made.insert(0, token);
    }
    assert_eq!(tokens.all().await.unwrap(), made);
    for token in &made {
        assert_eq!(tokens.by_hash(&token.hash).await.unwrap().as_ref(), Some(token));
    }
    assert_eq!(tokens.by_hash(&[0; 32]).await.unwrap(), None);
}

pub async fn a_revoked_token_keeps_its_first_time(tokens: &impl Tokens) {
    tokens.add(token("a", Role::Admin, 1, 0)).await.unwrap();
    tokens.add(token("b", Role::Admin, 2, 0)).await.unwrap();
    assert!(!tokens.revoke("c", at(1)).await.unwrap());
    assert!(tokens.revoke("a", at(1)).await.unwrap());
    assert!(tokens.revoke("a", at(2)).await.unwrap());
    assert_eq!(tokens.by_hash(&[1; 32]).await.unwrap().unwrap().revoked_at, Some(at(1)));
    assert_eq!(tokens.by_hash(&[2; 32]).await.unwrap().unwrap().revoked_at, None);
}

pub async fn a_token_is_not_replaced(tokens: &impl Tokens) {
    let first = token("a", Role::Viewer, 1, 0);
    tokens.add(first.clone()).await.unwrap();
    assert!(tokens.add(token("a", Role::Admin, 2, 1)).await.is_err());
    assert!(tokens.add(token("b", Role::Admin, 1, 1)).await.is_err());
    assert_eq!(tokens.all().await.unwrap(), [first]);
}
