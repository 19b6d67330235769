//! Behind a pooler, which does not keep settings with a session.

use std::time::Duration;

use load_tests::service::{PgBouncer, PgBouncerProgram};
use persistence_layer::batches::{self, Admission};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::WorkerId;
use persistence_layer::{Store, StoreSettings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{batch, claim, everybodys, new_batch, submit};

/// What a pooler does with a startup packet that has settings in it.
#[derive(Clone, Copy)]
enum Packet {
    /// PgBouncer as it comes.
    Refused,
    /// PgBouncer with `ignore_startup_parameters = options`.
    Unread,
}

/// A pooler as far as its startup goes; afterwards every byte is passed on. Gives its port.
async fn pooler(server: PgConnectOptions, packet: Packet) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = (server.get_host().to_owned(), server.get_port());
            tokio::spawn(async move {
                // A client that goes away in between is no matter of this.
                let _gone = serve(client, server, packet).await;
            });
        }
    });
    port
}

async fn serve(
    mut client: TcpStream,
    server: (String, u16),
    packet: Packet,
) -> std::io::Result<()> {
    let mut startup = read_packet(&mut client).await?;
    // A request for TLS has nothing but its code.
    if startup.len() == 4 {
        client.write_all(b"N").await?;
        startup = read_packet(&mut client).await?;
    }
    let (version, parameters) = startup.split_at(4);
    let parameters: Vec<&[u8]> = parameters.split(|byte| *byte == 0).collect();
    let (pairs, _) = parameters.as_chunks::<2>();
    let has_options = pairs.iter().any(|[name, _]| *name == b"options");
    if has_options && matches!(packet, Packet::Refused) {
        let fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
        client.write_all(b"E").await?;
        return client.write_all(&framed(fields)).await;
    }
    let mut passed_on = version.to_vec();
    for [name, value] in pairs.iter().filter(|[name, _]| !name.is_empty() && *name != b"options") {
        passed_on.extend([*name, b"\0", *value, b"\0"].concat());
    }
    passed_on.push(0);
    let mut server = TcpStream::connect(server).await?;
    server.write_all(&framed(&passed_on)).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn read_packet(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut packet = vec![0; usize::try_from(length).unwrap() - 4];
    client.read_exact(&mut packet).await?;
    Ok(packet)
}

/// With its length before it.
fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes(), body].concat()
}

fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        url: url.to_owned(),
        max_connections: 3,
        min_connections: 1,
        acquire_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_millis(300),
    }
}

/// A store with a limit of its own is held to it, in transactions and in reads of one statement; the one it comes from is not.
async fn has_limits_of_its_own(database: &TestDatabase, url: &str) {
    let patient = StoreSettings { statement_timeout: Duration::from_secs(60), ..settings(url) };
    let store = Store::connect(&patient).await.unwrap();
    let hasty = store.with_statement_timeout(Duration::from_millis(200));
    let job = everybodys(submit(&store, 0..1).await);
    let mut connection = database.connection().await;
    let mut held = connection.begin().await.unwrap();
    held.execute("lock table batches in access exclusive mode").await.unwrap();
    let waiting = tokio::spawn({
        let (store, job) = (store.clone(), job.clone());
        async move { batches::ended(&store, &job).await }
    });
    let waits = "select exists (select from pg_locks where not granted
        and relation = 'batches'::regclass and database = (select oid from pg_database
        where datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *held).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(batches::get(&hasty, &job).await.unwrap_err().code(), "database-timeout");
    assert_eq!(batches::ended(&hasty, &job).await.unwrap_err().code(), "database-timeout");
    assert!(!waiting.is_finished(), "it began before them and may wait longer");
    held.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), None);
    assert!(batches::get(&hasty, &job).await.unwrap().is_some());
    assert_eq!(batches::ended(&hasty, &job).await.unwrap(), None);
    store.close().await;
}

/// A wallet goes its whole way, and statements have their limit.
async fn works_with_its_limits(database: &TestDatabase, url: &str) {
    let store = Store::connect(&settings(url)).await.unwrap();
    let id = submit(&store, 0..2).await;
    let held = claim(&store, &WorkerId::generate(), 5).await;
    assert_eq!(held.len(), 2);
    for lease in &held {
        crate::support::finish(&store, lease).await;
    }
    assert!(batch(&store, id).await.state.is_terminal());

    let mut connection = database.connection().await;
    let mut held = connection.begin().await.unwrap();
    held.execute("select id from admission for update").await.unwrap();
    let late = batches::submit(&store, &new_batch(5..6), Admission::rejecting(9)).await;
    assert_eq!(late.unwrap_err().code(), "database-timeout");
    held.rollback().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_pooler_that_refuses_settings_at_the_start_gets_them_with_each_transaction() {
    let database = TestDatabase::create().await;
    let server: PgConnectOptions = database.url().parse().unwrap();
    let port = pooler(server.clone(), Packet::Refused).await;
    let url = server.host("127.0.0.1").port(port).to_url_lossy().to_string();
    works_with_its_limits(&database, &url).await;
    has_limits_of_its_own(&database, &url).await;
}

#[tokio::test]
async fn a_pooler_that_passes_settings_over_at_the_start_gets_them_with_each_transaction() {
    let database = TestDatabase::create().await;
    let server: PgConnectOptions = database.url().parse().unwrap();
    let port = pooler(server.clone(), Packet::Unread).await;
    let url = server.host("127.0.0.1").port(port).to_url_lossy().to_string();
    works_with_its_limits(&database, &url).await;
}

#[tokio::test]
async fn a_current_pgbouncer_keeps_limits_with_each_transaction_and_no_longer() {
    let Some(program) = PgBouncerProgram::current().unwrap() else {
        return eprintln!("SKIPPED: there is no PgBouncer of 1.21 or newer (TEST_PGBOUNCER=none)");
    };
    let database = TestDatabase::create().await;
    let server: PgConnectOptions = database.url().parse().unwrap();
    // Fewer sessions than the store has connections.
    let mode =
        ["pool_mode = transaction", "max_prepared_statements = 200", "default_pool_size = 2"];
    let pooler = PgBouncer::start(&program, server.get_port(), &mode).await.unwrap();
    let through = server.clone().host("127.0.0.1").port(pooler.port());
    let url = through.to_url_lossy().to_string();
    works_with_its_limits(&database, &url).await;
    has_limits_of_its_own(&database, &url).await;

    // Both sessions are as the server made them: nobody meets the limits of others.
    let through = through.extra_float_digits(None);
    let settings = "select name || '=' || setting from pg_settings where source = 'session'
        and name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'jit', 'plan_cache_mode',
            'enable_bitmapscan', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin')";
    let (mut one, mut other) = (through.connect().await.unwrap(), through.connect().await.unwrap());
    let (mut first, mut second) = (one.begin().await.unwrap(), other.begin().await.unwrap());
    let mut sessions = Vec::new();
    for transaction in [&mut first, &mut second] {
        let asked = "select pg_backend_pid()";
        let pid: i32 = sqlx::query_scalar(asked).fetch_one(&mut **transaction).await.unwrap();
        let left: Vec<String> =
            sqlx::query_scalar(settings).fetch_all(&mut **transaction).await.unwrap();
        assert_eq!(left, Vec::<String>::new());
        sessions.push(pid);
    }
    assert_ne!(sessions[0], sessions[1]);
}

#[tokio::test]
async fn a_server_of_our_own_keeps_settings_with_the_session() {
    let database = TestDatabase::create().await;
    works_with_its_limits(&database, database.url()).await;
    has_limits_of_its_own(&database, database.url()).await;
}
