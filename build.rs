//! Compiles the wire contract of the gateway, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = ["streams", "server_features", "gossip"].map(|name| format!("event_store/{name}.proto"));
    // Google's own messages are compiled with the rest: the few that are named need no crate of their own.
    tonic_build::configure()
        .build_client(false)
        .compile_well_known_types(true)
        // Not ours, and with examples that would be run as tests.
        .disable_comments(".")
        .include_file("wire.rs")
        .bytes([".event_store.client.streams"])
        .compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}
