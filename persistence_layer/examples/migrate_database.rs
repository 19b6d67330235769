//! Makes or drops the throw-away database of scripts/prepare-queries.sh:
//! `migrate_database create|drop NAME`, on the server of DATABASE_URL. `create` prints its URL.

use std::time::Duration;

use persistence_layer::{Store, StoreSettings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (verb, name) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("usage: migrate_database create|drop NAME (letters, digits, _)".into());
    }
    let server: PgConnectOptions = std::env::var("DATABASE_URL")?.parse()?;
    let mut admin = server.connect().await?;
    admin.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
    match verb.as_str() {
        "drop" => return Ok(()),
        "create" => admin.execute(AssertSqlSafe(format!("create database {name}"))).await?,
        _ => return Err("the first argument is create or drop".into()),
    };
    let url = server.database(&name).to_url_lossy().to_string();
    let store = Store::connect(&StoreSettings {
        url: url.clone(),
        max_connections: 2,
        min_connections: 0,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(600),
        statement_timeout: Duration::from_secs(60),
    })
    .await?;
    store.migrate().await?;
    store.close().await;
    #[expect(clippy::print_stdout, reason = "its answer to the script")]
    {
        println!("{url}");
    }
    Ok(())
}
