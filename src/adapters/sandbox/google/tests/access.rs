//! Tokens, scopes, roles, quotas, free/busy, and faults as Google would word them.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::adapters::sandbox::{
    faults::{Kind, Rule},
    google::{AccessRole, Consent, Quota, service_account},
};

const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

fn assertion(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(service_account::PRIVATE_KEY_PEM.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
}

fn form(fields: &[(&str, &str)]) -> Request {
    let mut request = Request::new("POST", TOKEN_URL).header("content-type", "application/x-www-form-urlencoded");
    request.body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
    request
}

fn signed(claims: &Value) -> Request {
    form(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion(claims))])
}

fn claims(bench: &Bench) -> Value {
    let iat = bench.now.timestamp();
    json!({"iss": service_account::CLIENT_EMAIL, "aud": TOKEN_URL, "scope": ALL, "iat": iat, "exp": iat + 3600})
}

#[test]
fn a_service_account_signs_for_its_token() {
    let mut bench = Bench::new();
    let request = signed(&claims(&bench));
    let (status, answer) = parts(&bench.send(&request));
    assert_eq!((status, &answer["expires_in"], &answer["token_type"]), (200, &json!(3600), &json!("Bearer")));
    bench.token = answer["access_token"].as_str().unwrap().to_owned();
    bench.insert("abcde");
    let mut body = hour("fghij", 15);
    body["attendees"] = json!([{"email": "a@b.c"}]);
    assert_eq!(reason(&bench.call("POST", EVENTS, &body)), (403, "forbiddenForServiceAccounts"));
}

#[test]
fn assertions_that_do_not_hold_are_invalid_grants() {
    let mut bench = Bench::new();
    let now = bench.now.timestamp();
    for (key, value) in [
        ("iss", json!("someone@else.example")),
        ("aud", json!("https://elsewhere.example/token")),
        ("exp", json!(now + 3601)),
        ("exp", json!(now - 400)),
        ("iat", json!(now + 400)),
    ] {
        let mut wrong = claims(&bench);
        wrong[key] = value;
        let request = signed(&wrong);
        let (status, answer) = parts(&bench.send(&request));
        assert_eq!((status, answer["error"].as_str()), (400, Some("invalid_grant")), "{key}");
    }
    let good = assertion(&claims(&bench));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{body}.{}", signature.chars().rev().collect::<String>());
    let request = form(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &forged)]);
    assert_eq!(parts(&bench.send(&request)).1["error"], "invalid_grant");
    let mut unscoped = claims(&bench);
    unscoped["scope"] = json!("");
    assert_eq!(parts(&bench.send(&signed(&unscoped))).1["error"], "invalid_scope");
    assert_eq!(parts(&bench.send(&form(&[("grant_type", "password")]))).1["error"], "unsupported_grant_type");
}

#[test]
fn a_refresh_token_works_until_it_is_revoked() {
    let mut bench = Bench::new();
    let refresh = bench.google.refresh_token(&[ALL]);
    let fields = |secret: &'static str, refresh: &str| {
        form(&[
            ("grant_type", "refresh_token"),
            ("client_id", "sandbox-client"),
            ("client_secret", secret),
            ("refresh_token", refresh),
        ])
    };
    let (status, answer) = parts(&bench.send(&fields("sandbox-secret", &refresh)));
    assert_eq!((status, answer["scope"].as_str()), (200, Some(ALL)));
    let (status, answer) = parts(&bench.send(&fields("wrong", &refresh)));
    assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
    bench.google.revoke_grants();
    assert_eq!(parts(&bench.send(&fields("sandbox-secret", &refresh))).1["error"], "invalid_grant");
    let request = signed(&claims(&bench));
    assert_eq!(parts(&bench.send(&request)).1["error"], "invalid_grant");
    bench.google.restore_service_account();
    assert_eq!(bench.send(&request).status, 200);
}

#[test]
fn consent_gives_a_code_bound_to_its_verifier() {
    use data_encoding::BASE64URL_NOPAD;
    let mut bench = Bench::new();
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(b"verifier"));
    let page = format!(
        "https://accounts.google.com/o/oauth2/v2/auth?client_id=sandbox-client&response_type=code&scope=a+b&state=s\
         &redirect_uri=https://us.example/cb&access_type=offline&code_challenge={challenge}&code_challenge_method=S256"
    );
    let visit = |bench: &mut Bench| {
        let response = bench.send(&Request::new("GET", page.clone()));
        assert_eq!(response.status, 302);
        url::Url::parse(response.header_value("location").unwrap()).unwrap()
    };
    let value = |url: &url::Url, name: &str| url.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
    let exchange = |code: &str, verifier: &str| {
        form(&[
            ("grant_type", "authorization_code"),
            ("client_id", "sandbox-client"),
            ("client_secret", "sandbox-secret"),
            ("redirect_uri", "https://us.example/cb"),
            ("code", code),
            ("code_verifier", verifier),
        ])
    };
    bench.google.consent = Consent::Only(vec!["b".into()]);
    let back = visit(&mut bench);
    assert_eq!((value(&back, "state").as_deref(), value(&back, "scope").as_deref()), (Some("s"), Some("b")));
    let code = value(&back, "code").unwrap();
    let (status, answer) = parts(&bench.send(&exchange(&code, "verifier")));
    assert_eq!((status, answer["scope"].as_str()), (200, Some("b")));
    let refresh = answer["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(bench.send(&exchange(&code, "verifier")).status, 400, "a code is good once");
    let code = value(&visit(&mut bench), "code").unwrap();
    assert_eq!(bench.send(&exchange(&code, "guess")).status, 400);
    let code = value(&visit(&mut bench), "code").unwrap();
    assert_eq!(parts(&bench.send(&exchange(&code, "verifier"))).1.get("refresh_token"), None, "first consent only");
    bench.google.consent = Consent::Denied;
    assert_eq!(value(&visit(&mut bench), "error").as_deref(), Some("access_denied"));
    let mut revoke = form(&[("token", &refresh)]);
    revoke.url = "https://oauth2.googleapis.com/revoke".into();
    assert_eq!((bench.send(&revoke).status, bench.send(&revoke).status), (200, 400));
}

#[test]
fn a_call_needs_a_live_token() {
    let mut bench = Bench::new();
    let request = Request::new("GET", format!("{BASE}{EVENTS}"));
    assert_eq!(reason(&parts(&bench.send(&request))), (401, "required"));
    bench.advance(3600);
    assert_eq!(reason(&bench.get(EVENTS)), (401, "authError"), "expired");
    bench.token = bench.google.access_token(&[ALL], bench.now);
    assert_eq!(bench.get(EVENTS).0, 200);
    bench.google.expire_access_tokens();
    assert_eq!(reason(&bench.get(EVENTS)), (401, "authError"));
}

#[test]
fn scopes_and_roles_limit_what_may_be_done() {
    let mut bench = Bench::new();
    let scoped = |bench: &mut Bench, scope: &str| {
        bench.token = bench.google.access_token(&[&format!("https://www.googleapis.com/auth/{scope}")], bench.now);
    };
    let busy = json!({"timeMin": "2026-11-01T00:00:00Z", "timeMax": "2026-11-02T00:00:00Z", "items": []});
    for (scope, list, insert, calendars, free_busy) in [
        ("calendar.readonly", 200, 403, 200, 200),
        ("calendar.events", 200, 200, 403, 403),
        ("calendar.events.readonly", 200, 403, 403, 403),
        ("calendar.events.owned", 200, 200, 403, 403),
        ("calendar.app.created", 403, 403, 403, 403),
        ("calendar.freebusy", 403, 403, 403, 200),
        ("calendar.calendarlist.readonly", 403, 403, 200, 403),
    ] {
        scoped(&mut bench, scope);
        let mut body = hour("x", 15);
        body.as_object_mut().unwrap().remove("id");
        assert_eq!(bench.get(EVENTS).0, list, "{scope}");
        assert_eq!(bench.call("POST", EVENTS, &body).0, insert, "{scope}");
        assert_eq!(bench.get("/users/me/calendarList").0, calendars, "{scope}");
        assert_eq!(bench.call("POST", "/freeBusy", &busy).0, free_busy, "{scope}");
    }
    scoped(&mut bench, "calendar.app.created");
    let made = bench.call("POST", "/calendars", &json!({"summary": "Ours"})).1;
    let ours = format!("/calendars/{}/events", made["id"].as_str().unwrap());
    assert_eq!(bench.call("POST", &ours, &hour("abcde", 15)).0, 200);
    bench.google.calendar_mut(BAY).unwrap().access_role = AccessRole::Writer;
    scoped(&mut bench, "calendar.events.owned");
    assert_eq!(reason(&bench.call("POST", EVENTS, &hour("abcde", 15))), (403, "insufficientPermissions"));
    scoped(&mut bench, "calendar.events");
    assert_eq!(bench.call("POST", EVENTS, &hour("abcde", 15)).0, 200);
    bench.google.calendar_mut(BAY).unwrap().access_role = AccessRole::Reader;
    assert_eq!(reason(&bench.call("POST", EVENTS, &hour("fghij", 15))), (403, "requiredAccessLevel"));
}

#[test]
fn free_busy_merges_and_reports_each_calendar() {
    let mut bench = Bench::new();
    for (id, from) in [("first", 15), ("touch", 16), ("apart", 20)] {
        bench.call("POST", EVENTS, &hour(id, from));
    }
    let mut free = hour("free0", 10);
    free["transparency"] = json!("transparent");
    bench.call("POST", EVENTS, &free);
    bench.call("POST", EVENTS, &hour("gone0", 8));
    bench.delete("gone0");
    let ask = |to: &str, ids: &[&str]| {
        let items: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"timeMin": "2026-11-23T00:00:00Z", "timeMax": to, "items": items})
    };
    let (status, answer) = bench.call("POST", "/freeBusy", &ask("2026-11-23T20:30:00Z", &[BAY, "nobody"]));
    assert_eq!(status, 200);
    assert_eq!(
        answer["calendars"][BAY]["busy"],
        json!([
            {"start": "2026-11-23T15:00:00Z", "end": "2026-11-23T17:00:00Z"},
            {"start": "2026-11-23T20:00:00Z", "end": "2026-11-23T20:30:00Z"},
        ])
    );
    assert_eq!(answer["calendars"]["nobody"]["errors"][0]["reason"], "notFound");
    let long = bench.call("POST", "/freeBusy", &ask("2027-03-01T00:00:00Z", &[]));
    assert_eq!(reason(&long), (400, "timeRangeTooLong"));
    let empty = bench.call("POST", "/freeBusy", &ask("2026-11-23T00:00:00Z", &[]));
    assert_eq!(reason(&empty), (400, "timeRangeEmpty"));
}

#[test]
fn a_quota_limits_calls_in_any_minute() {
    let mut bench = Bench::new();
    bench.google.settings_mut().quota = Some(Quota { per_minute: 2, retry_after_s: None });
    assert_eq!((bench.get(EVENTS).0, bench.get(EVENTS).0), (200, 200));
    assert_eq!(reason(&bench.get(EVENTS)), (403, "rateLimitExceeded"));
    bench.google.settings_mut().quota = Some(Quota { per_minute: 2, retry_after_s: Some(7) });
    let request = bench.request("GET", EVENTS);
    let response = bench.send(&request);
    assert_eq!((response.status, response.header_value("retry-after")), (429, Some("7")));
    bench.advance(60);
    assert_eq!(bench.get(EVENTS).0, 200);
}

#[test]
fn faults_strike_before_and_after_the_commit_and_are_logged() {
    let mut bench = Bench::new();
    let send = |bench: &mut Bench, id: &str, kind: Kind| {
        bench.google.desk().faults.arm(Rule::on("POST", "*/events", kind));
        let request = bench.request("POST", EVENTS).json(&hour(id, 15));
        let now = bench.now;
        (bench.google.handle(&request, now), bench.google.entry(BAY, id).is_some())
    };
    let (outcome, there) = send(&mut bench, "before0", Kind::BeforeCommit);
    assert_eq!((outcome, there), (Outcome::Lost { committed: false, partial: None }, false));
    let (outcome, there) = send(&mut bench, "after0", Kind::AfterCommit);
    assert_eq!((outcome, there), (Outcome::Lost { committed: true, partial: None }, true));
    let (outcome, there) = send(&mut bench, "trunc0", Kind::Truncated);
    let Outcome::Lost { committed: true, partial: Some(partial) } = outcome else { panic!("{outcome:?}") };
    let promised: usize = partial.header_value("content-length").unwrap().parse().unwrap();
    assert!(there && promised > partial.body.len());
    assert_eq!(send(&mut bench, "never0", Kind::Unreachable), (Outcome::Unreachable, false));
    let hidden = Kind::Status { status: 503, reason: String::new(), retry_after_s: Some(3), carried_out: true };
    let (outcome, there) = send(&mut bench, "hidden0", hidden);
    let response = outcome.response().unwrap();
    assert_eq!((there, response.status, response.header_value("retry-after")), (true, 503, Some("3")));
    assert_eq!(reason(&parts(&response)), (503, "backendError"));
    let quota = Kind::Status { status: 403, reason: "quotaExceeded".into(), retry_after_s: None, carried_out: false };
    let (outcome, there) = send(&mut bench, "quota0", quota);
    let response = outcome.response().unwrap();
    assert_eq!(reason(&parts(&response)), (403, "quotaExceeded"));
    assert!(!there && parts(&response).1["error"]["errors"][0]["domain"] == "usageLimits");
    let (outcome, _) = send(&mut bench, "late0", Kind::Slow { ms: 9 });
    assert!(matches!(outcome, Outcome::Answer { after, .. } if after.as_millis() == 9), "slow");
    let log: Vec<_> = bench.google.desk().calls.take().iter().map(|c| (c.fault, c.status, c.committed)).collect();
    assert_eq!(
        log,
        [
            (Some("before_commit"), None, false),
            (Some("after_commit"), None, true),
            (Some("truncated"), None, true),
            (Some("unreachable"), None, false),
            (Some("status"), Some(503), true),
            (Some("status"), Some(403), false),
            (None, Some(200), true),
        ]
    );
}
