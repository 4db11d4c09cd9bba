//! The sandbox's own service account. Its key is in the source tree, so it protects nothing: for tests only.

use serde_json::{Value, json};

/// The account's address: the `iss` of its assertions.
pub const CLIENT_EMAIL: &str = "sync-bot@sandbox.example";

/// The account's private key (PKCS#8), known to everyone.
pub const PRIVATE_KEY_PEM: &str = include_str!("test_only_key.pem");

/// The public half, with which the sandbox checks assertions.
pub(super) const PUBLIC_KEY_PEM: &str = include_str!("test_only_public_key.pem");

/// What assertions are signed with where the sandbox is set to `Assertions::SharedSecret`.
pub const SHARED_SECRET: &[u8] = b"a secret of the sandbox, known to everyone";

/// The account's credentials file, as Google's console would hand it out, pointing at the sandbox under `base_url`.
pub fn credentials(base_url: &str) -> Value {
    let base_url = base_url.trim_end_matches('/');
    json!({
        "type": "service_account",
        "project_id": "sandbox",
        "private_key_id": "test-only",
        "private_key": PRIVATE_KEY_PEM,
        "client_email": CLIENT_EMAIL,
        "client_id": "100000000000000000000",
        "auth_uri": format!("{base_url}/o/oauth2/v2/auth"),
        "token_uri": format!("{base_url}/token"),
    })
}
