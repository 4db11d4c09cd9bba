//! A person's consent: the authorisation page as an immediate redirect, and the code it returns.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    Google,
    auth::Principal,
    errors::{Answer, invalid, token_error},
};
use crate::{
    adapters::sandbox::{model::scramble, target::Target},
    ports::transport::Response,
};

/// How long a code can be exchanged.
const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);

/// The person's decision at the consent page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Consent {
    /// Grants all requested scopes.
    #[default]
    All,
    /// Leaves only these scopes ticked.
    Only(Vec<String>),
    /// Denies.
    Denied,
}

#[derive(Debug, Clone)]
pub(super) struct Code {
    scopes: Vec<String>,
    redirect_uri: String,
    challenge: Option<String>,
    offline: bool,
    expires_at: DateTime<Utc>,
}

/// Issued codes, and earlier consents of the account.
#[derive(Debug, Default)]
pub(super) struct Consents {
    issued: u64,
    codes: BTreeMap<String, Code>,
    granted: Vec<String>,
}

impl Google {
    /// `GET /o/oauth2/v2/auth`: redirects back at once, as the person decided beforehand ([`Google::consent`]).
    pub(super) fn consent_page(&mut self, target: &Target, now: DateTime<Utc>) -> Answer {
        let field = |name: &str| target.query_value(name).unwrap_or_default();
        let wrong = |what: &str| invalid(&format!("Access blocked: {what}"));
        if field("client_id") != self.settings.client_id {
            return Err(wrong("invalid_client"));
        }
        if field("response_type") != "code" {
            return Err(wrong("unsupported_response_type"));
        }
        let mut back = Url::parse(field("redirect_uri")).map_err(|_| wrong("redirect_uri_mismatch"))?;
        let asked: Vec<String> = field("scope").split_whitespace().map(str::to_owned).collect();
        let scopes = match &self.consent {
            Consent::Denied => Vec::new(),
            Consent::All => asked,
            Consent::Only(ticked) => asked.into_iter().filter(|s| ticked.contains(s)).collect(),
        };
        if let Some(state) = target.query_value("state") {
            back.query_pairs_mut().append_pair("state", state);
        }
        if scopes.is_empty() {
            back.query_pairs_mut().append_pair("error", "access_denied");
            return Ok(redirect(&back));
        }
        let first = self.consents.granted.is_empty();
        self.consents.granted.extend(scopes.iter().cloned());
        self.consents.granted.sort();
        self.consents.granted.dedup();
        let incremental = field("include_granted_scopes") == "true";
        let scopes = if incremental { self.consents.granted.clone() } else { scopes };
        let code = Code {
            scopes: scopes.clone(),
            redirect_uri: field("redirect_uri").into(),
            challenge: target.query_value("code_challenge").map(str::to_owned),
            // Google issues a refresh token only on the first consent, unless the page is shown again.
            offline: field("access_type") == "offline" && (first || field("prompt").contains("consent")),
            expires_at: now + CODE_LIFE,
        };
        self.consents.issued += 1;
        let name = format!("4/sandbox-{:016x}", scramble(self.settings.seed ^ 0xC0DE, self.consents.issued));
        back.query_pairs_mut().append_pair("code", &name).append_pair("scope", &scopes.join(" "));
        self.consents.codes.insert(name, code);
        Ok(redirect(&back))
    }

    /// Exchanges a code for tokens. A code can be used once.
    pub(super) fn token_for_code(&mut self, code: &str, redirect: &str, verifier: &str, now: DateTime<Utc>) -> Answer {
        let grant_error = |text: &str| token_error(400, "invalid_grant", text);
        let code = self.consents.codes.remove(code).filter(|code| code.expires_at > now);
        let Some(code) = code else { return Err(grant_error("Malformed auth code.")) };
        if code.redirect_uri != redirect {
            return Err(token_error(400, "redirect_uri_mismatch", "Bad Request"));
        }
        let proven = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
        if code.challenge.is_some_and(|challenge| challenge != proven) {
            return Err(grant_error("Invalid code verifier."));
        }
        let seed = self.settings.seed;
        let refresh = code.offline.then(|| self.grants.issue_refresh(seed, code.scopes.clone()));
        Ok(self.token_answer(Principal { service_account: false, scopes: code.scopes }, refresh, now))
    }
}

fn redirect(to: &Url) -> Response {
    let mut response = Response::empty(302);
    response.headers.push(("location".into(), to.to_string()));
    response
}
