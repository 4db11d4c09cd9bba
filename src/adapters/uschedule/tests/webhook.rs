//! Deliveries, ours and forged.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{appointment, source};
use crate::adapters::{
    sandbox::uschedule::signature,
    uschedule::{
        Secret,
        webhook::{BODY_BYTES_MAX, Refusal, Webhook, accept},
    },
};

const SECRET: &str = "whsec_current";
const SENT: i64 = 1_795_003_200;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(SENT, 0).unwrap()
}

/// A delivery as it comes in.
#[derive(Clone)]
struct Post {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Post {
    fn signed() -> Self {
        let body = json!({
            "id": "whd_000007", "type": "appointment.updated", "created_at": "2026-11-20T12:00:00Z",
            "data": {"appointment": appointment()},
        });
        Self::of(body.to_string())
    }

    fn of(body: String) -> Self {
        let signature = signature(SECRET, "whd_000007", SENT, &body);
        Self { id: "whd_000007".into(), timestamp: SENT.to_string(), signature, body }
    }

    fn accept_at(&self, now: DateTime<Utc>, secrets: &[&str]) -> Result<Webhook, Refusal> {
        let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::new(*s)).collect();
        let header = |name: &str| match name {
            "x-uschedule-delivery" => Some(self.id.as_str()),
            "x-uschedule-timestamp" => Some(self.timestamp.as_str()),
            "x-uschedule-signature" => Some(self.signature.as_str()),
            _ => None,
        };
        accept(&source(), &secrets, header, self.body.as_bytes(), now)
    }

    fn accept(&self) -> Result<Webhook, Refusal> {
        self.accept_at(now(), &[SECRET])
    }
}

#[test]
fn a_delivery_that_is_signed_is_believed() {
    let webhook = Post::signed().accept().unwrap();
    assert_eq!(webhook.kind, "appointment.updated");
    assert_eq!(webhook.delivery.id, "whd_000007");
    assert_eq!(webhook.delivery.subject.as_str(), "uschedule.customer.c7");
    assert_eq!(webhook.delivery.body, appointment().to_string());
}

#[test]
fn the_signature_is_that_of_any_other_implementation() {
    // printf 'id.1.body' | openssl dgst -sha256 -hmac key
    let by_openssl = "v1=b18037ffef0abf25db7b8280299cb4416285a0b2921c3abf416bb4c5067263bb";
    let headers = |name: &str| match name {
        "x-uschedule-delivery" => Some("id"),
        "x-uschedule-timestamp" => Some("1"),
        _ => Some(by_openssl),
    };
    let at = DateTime::from_timestamp(1, 0).unwrap();
    let refused = accept(&source(), &[Secret::new("key")], headers, b"body", at);
    assert!(matches!(refused, Err(Refusal::Malformed(_))), "believed, though the body is no delivery: {refused:?}");
    // Digits of either case are read, and nothing but 64 of them.
    let upper = by_openssl.to_uppercase().replace("V1=", "v1=");
    let (short, long) = (&by_openssl[..by_openssl.len() - 1], format!("{by_openssl}0"));
    let spaced = by_openssl.replacen("v1=b", "v1= ", 1);
    let sent = |signature: &str| {
        let post = Post { id: "id".into(), timestamp: "1".into(), signature: signature.into(), body: "body".into() };
        post.accept_at(at, &["key"])
    };
    assert!(matches!(sent(&upper), Err(Refusal::Malformed(_))), "believed as well");
    for odd in [short, &long, &spaced] {
        assert_eq!(sent(odd), Err(Refusal::Header("x-uschedule-signature")), "{odd}");
    }
    let refused = accept(&source(), &[Secret::new("kez")], headers, b"body", at);
    assert_eq!(refused, Err(Refusal::BadSignature));
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let good = Post::signed();
    let changes: [fn(&mut Post); 6] = [
        |post| post.id.push('x'),
        |post| post.timestamp = (SENT + 1).to_string(),
        |post| post.timestamp = format!("0{SENT}"),
        |post| post.body.push(' '),
        |post| post.body = post.body.replace("bay-1", "bay-2"),
        |post| post.signature = signature("another secret", "whd_000007", SENT, &post.body),
    ];
    for change in changes {
        let mut post = good.clone();
        change(&mut post);
        assert_eq!(post.accept(), Err(Refusal::BadSignature), "{} {}", post.id, post.timestamp);
    }
    for digit in 3..67 {
        let mut post = good.clone();
        let flipped = if &post.signature[digit..=digit] == "0" { "1" } else { "0" };
        post.signature.replace_range(digit..=digit, flipped);
        assert_eq!(post.accept(), Err(Refusal::BadSignature), "digit {digit}");
    }
}

#[test]
fn a_part_of_a_signature_is_none() {
    let good = Post::signed();
    for cut in [0, 1, 3, 4, 34, 66] {
        let mut post = good.clone();
        post.signature.truncate(cut);
        assert_eq!(post.accept(), Err(Refusal::Header("x-uschedule-signature")), "{cut} characters");
    }
    let with = |signature: String| Post { signature, ..good.clone() }.accept();
    let header = Err(Refusal::Header("x-uschedule-signature"));
    assert_eq!(with(format!("{}00", good.signature)), header, "one that is too long");
    assert_eq!(with(good.signature.replace("v1=", "v0=")), header);
    assert_eq!(with(good.signature.replace("v1=", "")), header);
    assert_eq!(with(["v1="; 9].join(",")), header);
}

#[test]
fn keys_can_be_rotated_on_either_side() {
    let good = Post::signed();
    let other = signature("whsec_next", "whd_000007", SENT, &good.body);
    let both = Post { signature: format!("{other}, {}", good.signature), ..good.clone() };
    assert!(both.accept().is_ok(), "they sign with both");
    assert!(good.accept_at(now(), &["whsec_next", SECRET]).is_ok(), "we know both");
    assert_eq!(good.accept_at(now(), &["whsec_next"]), Err(Refusal::BadSignature));
    let newer = Post { signature: format!("v2=abc,{}", good.signature), ..good };
    assert!(newer.accept().is_ok(), "a version that we do not know is left alone");
}

#[test]
fn the_window_is_five_minutes_either_way() {
    let good = Post::signed();
    for seconds in [-300, 0, 300] {
        assert!(good.accept_at(now() + TimeDelta::seconds(seconds), &[SECRET]).is_ok(), "{seconds}");
    }
    for seconds in [-301, 301, 86_400] {
        let refused = good.accept_at(now() + TimeDelta::seconds(seconds), &[SECRET]);
        assert_eq!(refused, Err(Refusal::OutsideWindow(seconds.abs())));
    }
}

#[test]
fn headers_that_are_missing_or_odd_are_named() {
    let good = Post::signed();
    let with = |change: fn(&mut Post)| {
        let mut post = good.clone();
        change(&mut post);
        post.accept()
    };
    assert_eq!(with(|p| p.id.clear()), Err(Refusal::Header("x-uschedule-delivery")));
    assert_eq!(with(|p| p.id = "a b".into()), Err(Refusal::Header("x-uschedule-delivery")));
    assert_eq!(with(|p| p.id = "x".repeat(121)), Err(Refusal::Header("x-uschedule-delivery")));
    assert_eq!(with(|p| p.timestamp.clear()), Err(Refusal::Header("x-uschedule-timestamp")));
    assert_eq!(with(|p| p.timestamp = "now".into()), Err(Refusal::Header("x-uschedule-timestamp")));
    assert_eq!(with(|p| p.timestamp = i64::MAX.to_string()), Err(Refusal::Header("x-uschedule-timestamp")));
    assert_eq!(with(|p| p.signature.clear()), Err(Refusal::Header("x-uschedule-signature")));
}

#[test]
fn without_a_secret_nothing_is_believed() {
    let forged = Post { signature: signature("", "whd_000007", SENT, &Post::signed().body), ..Post::signed() };
    assert_eq!(forged.accept_at(now(), &[]), Err(Refusal::NoSecret));
    assert_eq!(forged.accept_at(now(), &[""]), Err(Refusal::NoSecret));
}

#[test]
fn a_body_that_is_signed_still_has_to_be_a_delivery() {
    for body in ["", "{", "[]", "{\"id\":\"whd_000007\"}", "\"text\""] {
        assert!(matches!(Post::of(body.into()).accept(), Err(Refusal::Malformed(_))), "{body}");
    }
    let other = Post::signed().body.replace("whd_000007", "whd_000008");
    assert_eq!(Post::of(other).accept(), Err(Refusal::Malformed("its id differs from the signed one")));
    assert_eq!(Post::of("x".repeat(BODY_BYTES_MAX + 1)).accept(), Err(Refusal::TooLong));
}

#[test]
fn secrets_are_not_printed() {
    assert_eq!(format!("{:?}", Secret::new(SECRET)), "[secret]");
}
