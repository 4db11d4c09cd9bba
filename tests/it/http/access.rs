//! Who may do what: held for every route and every role, so that a new route has to be decided about.

use std::fmt::Write as _;

use axum::{body::Body, http::Request};
use syncledger::{
    http::{
        auth::{ROLES, name},
        route::{Access, Verb},
        routes::table,
    },
    services::operators::tokens,
};

use super::world::World;

/// The path of a route with its variable parts filled in.
fn filled(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "nothing.1" } else { part }).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_role_is_let_into_its_routes_and_no_others() {
    let world = World::new().await;
    let mut matrix = String::from("route                                              anybody");
    for role in ROLES {
        write!(matrix, " {}", name(role)).expect("memory");
    }
    for route in table() {
        let line = format!("{} {}", route.verb.as_str(), route.path);
        write!(matrix, "\n{line:<50}").expect("memory");
        let mut columns = vec![("anybody", false)];
        columns.extend(ROLES.map(|role| (name(role), true)));
        for (role, known) in columns {
            let said = world.ask(route.verb.as_str(), &filled(route.path), role, None).await;
            let shut = if known { said.status == 403 } else { said.status == 401 };
            let open = match route.access {
                Access::Open => true,
                // Let in to be checked by another mark than a token; without it nobody gets further.
                Access::Signed(_) => {
                    assert!([400, 401, 404].contains(&said.status), "{line}: {said:?}");
                    true
                }
                Access::Closed => false,
                Access::Roles(roles) => known && roles.iter().any(|r| name(*r) == role),
            };
            assert_eq!(open, !shut || matches!(route.access, Access::Signed(_)), "{line} as {role}: {said:?}");
            write!(matrix, " {:^width$}", if open { "yes" } else { "-" }, width = role.len()).expect("memory");
        }
    }
    insta::assert_snapshot!(matrix);
}

#[tokio::test]
async fn a_route_that_says_nothing_lets_nobody_in() {
    for route in table() {
        assert_ne!(route.access, Access::Closed, "{} {} is open to nobody", route.verb.as_str(), route.path);
        if let Access::Open = route.access {
            assert_eq!(route.verb, Verb::Get, "{} is open to everybody and could change something", route.path);
        }
    }
}

#[tokio::test]
async fn reading_changes_nothing() {
    let world = World::new().await;
    let before = world.end().await;
    for route in table().into_iter().filter(|route| route.verb == Verb::Get) {
        for method in ["GET", "HEAD"] {
            let said = world.ask(method, &filled(route.path), "admin", None).await;
            assert!(said.status == 200 || said.status == 404, "{}: {said:?}", route.path);
            assert!(method == "GET" || said.text.is_empty());
        }
    }
    assert_eq!(world.end().await, before);
}

#[tokio::test]
async fn only_a_good_token_opens_anything() {
    let world = World::new().await;
    let admin = world.secrets["admin"].clone();
    let path = "/api/v1/links";
    let cases = [
        ("", "nothing at all"),
        ("Bearer", "no secret"),
        ("Bearer ", "an empty secret"),
        ("Bearer sl_", "the prefix alone"),
        (&format!("Bearer {admin}x"), "one character more"),
        (&format!("Bearer {}", &admin[..admin.len() - 1]), "one character less"),
        (&format!("Bearer {}", admin.trim_start_matches("sl_")), "no prefix"),
        (&format!("Bearer {}", admin.to_uppercase()), "another case"),
        (&format!("Basic {admin}"), "another scheme"),
        (&admin, "no scheme"),
        (&format!("Bearer sl_{}", "a".repeat(10_000)), "a very long secret"),
    ];
    for (header, what) in cases {
        let mut request = Request::builder().uri(path);
        if !header.is_empty() {
            request = request.header("authorization", header);
        }
        let said = world.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!((said.status, said.header("www-authenticate")), (401, "Bearer realm=\"syncledger\""), "{what}");
        said.problem();
    }
    assert_eq!(world.ask("GET", path, "admin", None).await.status, 200);
    // A token in the address would end up in other people's logs: it opens nothing.
    let said = world.ask("GET", &format!("{path}?access_token={admin}"), "", None).await;
    assert_eq!(said.status, 401);
    assert!(!said.text.contains(&admin));
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_looks_like_an_unknown_one() {
    let world = World::new().await;
    let id = tokens::list(&*world.tokens).await.expect("memory").into_iter().find(|t| name(t.role) == "viewer");
    let id = id.expect("there is one").id;
    assert_eq!(world.ask("GET", "/api/v1/links", "viewer", None).await.status, 200);
    tokens::revoke(&*world.tokens, &*world.clock, &id).await.expect("it is there");
    let revoked = world.ask_with("GET", "/api/v1/links", "viewer", None, &[("x-request-id", "a")]).await;
    let headers = [("x-request-id", "a"), ("authorization", "Bearer sl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    let unknown = world.ask_with("GET", "/api/v1/links", "", None, &headers).await;
    assert_eq!((revoked.status, revoked.text), (unknown.status, unknown.text));
    assert!(tokens::revoke(&*world.tokens, &*world.clock, "tok_nothing").await.is_err());
}

#[tokio::test]
async fn tokens_are_256_random_bits_and_are_kept_as_hashes_only() {
    let world = World::new().await;
    let mut seen = std::collections::BTreeSet::new();
    for secret in world.secrets.values() {
        let random = secret.strip_prefix("sl_").expect("the prefix");
        assert_eq!(random.len(), 43, "32 bytes in base64url");
        assert!(seen.insert(random.to_owned()));
    }
    let kept = format!("{:?}", tokens::list(&*world.tokens).await.expect("memory"));
    let (_, fresh) = tokens::create(&*world.tokens, &*world.clock, ROLES[0]).await.expect("memory");
    assert!(!format!("{fresh:?}").contains(fresh.reveal()));
    assert!(world.secrets.values().all(|secret| !kept.contains(&secret[3..])));
}
