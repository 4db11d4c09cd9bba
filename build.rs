//! Compiles the wire contract of the gateway, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = ["streams", "server_features", "gossip"].map(|name| format!("event_store/{name}.proto"));
    // Google's own messages are compiled with the rest: the few that are named need no crate of their own.
    let mut config = tonic_build::Config::new();
    // Not ours, and with examples that would be run as tests.
    config.disable_comments(["."]);
    tonic_build::configure()
        .build_client(false)
        .compile_well_known_types(true)
        .disable_comments(".")
        .include_file("wire.rs")
        .bytes([".event_store.client.streams"])
        .compile_fds_with_config(config, protox::compile(files, ["proto"])?)?;
    Ok(())
}
