//! API tokens in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    ledger::append::to_micros,
    ports::tokens::{Token, Tokens, Unavailable},
};

/// Tokens that live as long as the process.
#[derive(Debug, Default)]
pub struct MemoryTokens(Mutex<Vec<Token>>);

impl MemoryTokens {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tokens(&self) -> MutexGuard<'_, Vec<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Tokens for MemoryTokens {
    async fn add(&self, token: Token) -> Result<(), Unavailable> {
        let mut tokens = self.tokens();
        if tokens.iter().any(|t| t.id == token.id || t.hash == token.hash) {
            return Err(Unavailable(format!("token {} already exists, or one with the same secret", token.id)));
        }
        tokens.push(Token {
            created_at: to_micros(token.created_at),
            revoked_at: token.revoked_at.map(to_micros),
            ..token
        });
        tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(())
    }

    async fn by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, Unavailable> {
        Ok(self.tokens().iter().find(|t| t.hash == *hash).cloned())
    }

    async fn all(&self) -> Result<Vec<Token>, Unavailable> {
        Ok(self.tokens().clone())
    }

    async fn revoke(&self, id: &str, at: DateTime<Utc>) -> Result<bool, Unavailable> {
        let mut tokens = self.tokens();
        let Some(token) = tokens.iter_mut().find(|t| t.id == id) else { return Ok(false) };
        token.revoked_at.get_or_insert(to_micros(at));
        Ok(true)
    }
}
