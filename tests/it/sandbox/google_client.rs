//! Google's own Python client works against the sandbox, changed in nothing but its endpoint.

use std::sync::Arc;

use syncledger::adapters::{sandbox::server, system::clock::SystemClock};

use super::support::{BAY, Receiver, google, http, python, tools};

#[tokio::test(flavor = "multi_thread")]
async fn googles_own_client_finds_the_sandbox_as_documented() {
    let clock = Arc::new(SystemClock::new());
    let (model, _) = google(clock.as_ref());
    let server = server::start(model.clone(), clock, http()).await.unwrap();
    let mut receiver = Receiver::start(&[]).await;
    let output = tokio::process::Command::new(python())
        .arg(tools().join("google_client.py"))
        .args([&server.base_url, BAY, &receiver.url])
        .output()
        .await
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(out, "as documented\n");
    let (headers, body) = receiver.next().await;
    assert_eq!((&headers["x-goog-resource-state"], body.len()), (&"sync".parse().unwrap(), 0));
    assert_eq!(headers["x-goog-channel-token"], "secret");
    let (headers, _) = receiver.next().await;
    assert_eq!(headers["x-goog-resource-state"], "exists");

    // What Google's client sends is what Google's discovery document says; its one bad address is ours: loopback.
    let log = tempfile::NamedTempFile::new().unwrap();
    let jsonl = {
        use syncledger::adapters::sandbox::model::Model;
        model.lock().unwrap().desk().calls.to_jsonl()
    };
    let valid = |line: &&str| !line.contains("/watch") && !line.contains("not an id") && !line.contains("orderBy");
    let jsonl: Vec<&str> = jsonl.lines().filter(valid).collect();
    std::fs::write(log.path(), jsonl.join("\n")).unwrap();
    let (status, out, err) = super::request_checker::check(log.path());
    assert_eq!((status, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("events.insert=6") && err.contains("freebusy.query=1"), "{err}");
}
