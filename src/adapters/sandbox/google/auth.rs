//! Who calls, and what they may: Google's token endpoint and the scopes behind an access token.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;

use super::{
    Assertions, Google,
    entry::Calendar,
    errors::{Answer, error, token_error},
    service_account::{self, PUBLIC_KEY_PEM, SHARED_SECRET},
};
use crate::{
    adapters::sandbox::model::scramble,
    ports::transport::{Request, Response},
};

const SCOPE: &str = "https://www.googleapis.com/auth/";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Google's own token address: accepted as audience at any address of the sandbox.
const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// How far a signer's clock may be off.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// The longest life of a signed assertion.
const ASSERTION_LIFE_MAX: TimeDelta = TimeDelta::hours(1);

/// The principal of an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principal {
    pub service_account: bool,
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone)]
struct Access {
    principal: Principal,
    expires_at: DateTime<Utc>,
}

/// Everything granted so far.
#[derive(Debug, Default)]
pub(super) struct Grants {
    issued: u64,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Vec<String>>,
    pub service_account_revoked: bool,
}

impl Grants {
    pub fn issue_refresh(&mut self, seed: u64, scopes: Vec<String>) -> String {
        self.issued += 1;
        let token = format!("1//sandbox-refresh-{:016x}", scramble(seed, self.issued));
        self.refresh.insert(token.clone(), scopes);
        token
    }

    pub fn issue_access(&mut self, seed: u64, principal: Principal, expires_at: DateTime<Utc>) -> String {
        self.issued += 1;
        let token = format!("ya29.sandbox-{:016x}{:04x}", scramble(!seed, self.issued), self.issued);
        self.access.insert(token.clone(), Access { principal, expires_at });
        token
    }

    pub fn expire_access(&mut self) {
        self.access.clear();
    }

    pub fn revoke_refresh(&mut self, token: &str) -> bool {
        self.refresh.remove(token).is_some()
    }

    pub fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
        self.service_account_revoked = true;
    }
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    sub: Option<String>,
    aud: String,
    #[serde(default)]
    scope: String,
    iat: i64,
    exp: i64,
}

impl Google {
    /// `POST /token`.
    pub(super) fn token(&mut self, request: &Request, now: DateTime<Utc>) -> Answer {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        match field("grant_type") {
            JWT_BEARER => self.token_for_assertion(field("assertion"), &request.url, now),
            "refresh_token" => {
                self.check_client(field("client_id"), field("client_secret"))?;
                let Some(scopes) = self.grants.refresh.get(field("refresh_token")).cloned() else {
                    return Err(token_error(400, "invalid_grant", "Token has been expired or revoked."));
                };
                Ok(self.token_answer(Principal { service_account: false, scopes }, None, now))
            }
            "authorization_code" => {
                self.check_client(field("client_id"), field("client_secret"))?;
                self.token_for_code(field("code"), field("redirect_uri"), field("code_verifier"), now)
            }
            other => Err(token_error(400, "unsupported_grant_type", &format!("Invalid grant_type: {other}"))),
        }
    }

    fn check_client(&self, id: &str, secret: &str) -> Result<(), Response> {
        if id == self.settings.client_id && secret == self.settings.client_secret {
            return Ok(());
        }
        Err(token_error(401, "invalid_client", "The OAuth client was not found."))
    }

    fn token_for_assertion(&mut self, assertion: &str, url: &str, now: DateTime<Utc>) -> Answer {
        let grant_error = |text: &str| token_error(400, "invalid_grant", text);
        let claims = verified(assertion, self.settings.assertions).map_err(|text| grant_error(&text))?;
        let url = url.split('?').next().unwrap_or(url);
        if claims.iss != service_account::CLIENT_EMAIL || self.grants.service_account_revoked {
            return Err(grant_error("Invalid grant: account not found"));
        }
        if claims.sub.is_some_and(|sub| sub != claims.iss) {
            let text = "Client is unauthorized to retrieve access tokens using this method.";
            return Err(token_error(401, "unauthorized_client", text));
        }
        if claims.aud != url && claims.aud != GOOGLE_TOKEN_URL {
            return Err(grant_error("Invalid JWT: Failed audience check."));
        }
        let (iat, exp) = (DateTime::from_timestamp(claims.iat, 0), DateTime::from_timestamp(claims.exp, 0));
        let timely = iat.zip(exp).is_some_and(|(iat, exp)| {
            iat <= now + SKEW && exp > now - SKEW && exp > iat && exp - iat <= ASSERTION_LIFE_MAX
        });
        if !timely {
            return Err(grant_error(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                 Check your iat and exp values in the JWT claim.",
            ));
        }
        let scopes: Vec<String> = claims.scope.split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() || scopes.iter().any(|s| !s.starts_with(SCOPE)) {
            return Err(token_error(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
        }
        Ok(self.token_answer(Principal { service_account: true, scopes }, None, now))
    }

    /// The response with a new access token.
    pub(super) fn token_answer(
        &mut self,
        principal: Principal,
        refresh: Option<String>,
        now: DateTime<Utc>,
    ) -> Response {
        let life = self.settings.access_token_life;
        let scope = principal.scopes.join(" ");
        let token = self.grants.issue_access(self.settings.seed, principal, now + life);
        let mut body = json!({
            "access_token": token, "expires_in": life.num_seconds(), "scope": scope, "token_type": "Bearer",
        });
        if let Some(refresh) = refresh {
            body["refresh_token"] = json!(refresh);
        }
        Response::json(200, &body)
    }

    /// `POST /revoke`.
    pub(super) fn revoke(&mut self, request: &Request) -> Answer {
        let mut form = url::form_urlencoded::parse(&request.body).into_owned();
        let token = form.find(|(name, _)| name == "token").map(|(_, token)| token).unwrap_or_default();
        if self.grants.revoke_refresh(&token) || self.grants.access.remove(&token).is_some() {
            return Ok(Response::json(200, &json!({})));
        }
        Err(token_error(400, "invalid_token", "Token expired or revoked"))
    }

    /// Who calls: needs a bearer token that is known and has not expired.
    pub(super) fn authorise(&self, request: &Request, now: DateTime<Utc>) -> Result<Principal, Response> {
        let Some(header) = request.header_value("authorization") else { return Err(error(401, "required")) };
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        let access = self.grants.access.get(token).filter(|access| access.expires_at > now);
        access.map(|access| access.principal.clone()).ok_or_else(|| error(401, "authError"))
    }
}

/// The claims of an assertion whose signature is the sandbox's own service account's. Times are not checked here, because the
/// library would use the machine's clock.
fn verified(assertion: &str, signed: Assertions) -> Result<Claims, String> {
    let (algorithm, key) = match signed {
        Assertions::PrivateKey => (Algorithm::RS256, DecodingKey::from_rsa_pem(PUBLIC_KEY_PEM.as_bytes())),
        Assertions::SharedSecret => (Algorithm::HS256, Ok(DecodingKey::from_secret(SHARED_SECRET))),
    };
    let key = key.map_err(|error| format!("Invalid test key: {error}"))?;
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let token = jsonwebtoken::decode::<Claims>(assertion, &key, &rules);
    token.map(|token| token.claims).map_err(|_| "Invalid JWT Signature.".to_owned())
}

/// Kinds of access that need a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    ReadCalendar,
    MakeCalendar,
    ListCalendars,
    ReadEntries,
    WriteEntries,
    FreeBusy,
}

impl Principal {
    /// Checks that one of the scopes covers `need`, on `calendar` if given.
    pub fn need(&self, need: Need, calendar: Option<&Calendar>) -> Result<(), Response> {
        let owned = calendar.is_some_and(|c| c.access_role == super::AccessRole::Owner);
        let app_created = calendar.is_some_and(|c| c.app_created);
        let covers = |scope: &str| match (scope, need) {
            ("calendar", _) => true,
            ("calendar.readonly", need) => !matches!(need, Need::WriteEntries | Need::MakeCalendar),
            ("calendar.events", Need::ReadEntries | Need::WriteEntries) => true,
            ("calendar.events.readonly", Need::ReadEntries) => true,
            ("calendar.events.owned", Need::ReadEntries | Need::WriteEntries) => owned,
            ("calendar.events.owned.readonly", Need::ReadEntries) => owned,
            ("calendar.app.created", Need::MakeCalendar) => true,
            ("calendar.app.created", Need::ReadEntries | Need::WriteEntries | Need::ReadCalendar) => app_created,
            ("calendar.calendarlist" | "calendar.calendarlist.readonly", Need::ListCalendars) => true,
            ("calendar.calendars", Need::ReadCalendar | Need::MakeCalendar) => true,
            ("calendar.calendars.readonly", Need::ReadCalendar) => true,
            ("calendar.freebusy" | "calendar.events.freebusy", Need::FreeBusy) => true,
            _ => false,
        };
        if self.scopes.iter().filter_map(|s| s.strip_prefix(SCOPE)).any(covers) {
            return Ok(());
        }
        Err(error(403, "insufficientPermissions"))
    }
}
