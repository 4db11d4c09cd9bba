//! The `syncledger` program.

use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = syncledger::demo::Options { once: true, json: false, listen: None };
    if std::env::args().any(|a| a == "-v") {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    }
    let passed = syncledger::demo::run(&options, CancellationToken::new()).await?;
    std::process::exit(i32::from(!passed));
}
