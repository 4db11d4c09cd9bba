//! The suites on PostgreSQL, and what only a server can show.

use sqlx::Connection as _;

use crate::support::postgres::{Database, Server};

#[tokio::test]
async fn a_test_has_a_database_of_its_own() {
    let (one, two) = (Database::new().await, Database::new().await);
    assert_ne!(one.url(), two.url());
    assert!(!one.address().contains(&one.password()));
    one.connect().await.close().await.unwrap();
}

#[tokio::test]
async fn a_server_can_be_stopped_and_started() {
    let server = Server::start();
    let database = Database::within(server.url()).await;
    database.connect().await.close().await.unwrap();
    server.stop_at_once();
    server.start_again();
    database.connect().await.close().await.unwrap();
}
