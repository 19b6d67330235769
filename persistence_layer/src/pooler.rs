//! Whether what stands before PostgreSQL gives each client its own answers.
//!
//! A pooler that hands its connections on between transactions has to know of prepared statements: they are kept by the
//! connection, under names that every client begins anew. One that does not gives a client what another one's statement
//! finds, often without any error. So before anything is read through it, several connections ask different things under
//! the same name, one after the other and all at once, and compare what comes back.

use std::time::Duration;

use futures::future::try_join_all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use crate::error::{Cause, StoreError};
use crate::store::connect_options;

/// Connections that ask. The pooler gives them fewer, or the same ones in another order.
const CLIENTS: usize = 8;

/// Questions of each, alone and in a transaction.
const ROUNDS: u32 = 20;

/// Longest time of it all. Where answers are mixed up, one may never come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why an address of the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PoolerError {
    /// Clients get each other's answers.
    #[error(
        "the connection pooler at {key} mixes up the answers of its clients ({found}); use PgBouncer 1.21 or \
         newer with max_prepared_statements above 0, or pool_mode = session, or name PostgreSQL itself"
    )]
    MixesAnswers {
        /// The setting with the address.
        key: &'static str,
        /// What one was answered with.
        found: String,
    },
    /// Clients share their sessions.
    #[error(
        "database.direct_url leads to a connection pooler that shares its sessions, through which neither notifications \
         nor locks work; name PostgreSQL itself"
    )]
    NotDirect,
    /// It takes connections and gives no answer: a server behind it may be away, or answers may have gone to others.
    #[error("the database takes connections but answers nothing for {} s; is the server behind its pooler well?", PATIENCE.as_secs())]
    Silent,
    /// It does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks through `url`, which the setting `key` has, as our pool does, over several connections at once. A server that
/// starts is waited for as long as `patience`.
///
/// # Errors
/// [`PoolerError::MixesAnswers`] when one got what it had not asked for.
pub async fn check_answers(
    key: &'static str,
    url: &str,
    patience: Duration,
) -> Result<(), PoolerError> {
    let mut clients: Vec<(usize, PgConnection)> =
        open(url, CLIENTS, patience).await?.into_iter().enumerate().collect();
    let asked = async {
        // A server that has just become free is the next one's, so that a name is met twice for certain.
        for client in &mut clients {
            ask(client, 0..2).await?;
        }
        try_join_all(clients.iter_mut().map(|client| ask(client, 2..ROUNDS))).await
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Unlike::Mixed(found))) => Err(PoolerError::MixesAnswers { key, found }),
        Ok(Err(Unlike::Failed(error))) => Err(StoreError::from(error).into()),
        Err(_) => Err(PoolerError::Silent),
    }
}

/// Looks whether connections to `url` are sessions of their own; waits as the other check.
///
/// # Errors
/// [`PoolerError::NotDirect`] when one has what another one was given.
pub async fn check_sessions(url: &str, patience: Duration) -> Result<(), PoolerError> {
    let mut clients = open(url, 3, patience).await?;
    for (number, client) in clients.iter_mut().enumerate() {
        // Not prepared: a pooler may mix up such statements as well, which is the other check's matter.
        let set = format!("select set_config('pnl_tracker.session', '{number}', false)");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(client).await.map_err(StoreError::from)?;
    }
    for (number, client) in clients.iter_mut().enumerate().rev() {
        let kept = sqlx::raw_sql("select current_setting('pnl_tracker.session', true)");
        let kept = kept.fetch_one(client).await.map_err(StoreError::from)?;
        let kept: Option<String> = kept.try_get(0).map_err(StoreError::from)?;
        if kept != Some(number.to_string()) {
            return Err(PoolerError::NotDirect);
        }
    }
    Ok(())
}

/// So many connections, or as many as the server gives.
async fn open(url: &str, most: usize, patience: Duration) -> Result<Vec<PgConnection>, StoreError> {
    let options: PgConnectOptions = connect_options(url)?;
    // The first one from a pool: it waits for a server that starts as ours does.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(patience);
    let pool = pool.connect_with(options.clone()).await.map_err(StoreError::of_session)?;
    let mut clients = vec![pool.acquire().await.map_err(StoreError::of_session)?.detach()];
    while clients.len() < most {
        match options.connect().await.map_err(StoreError::of_session) {
            Ok(client) => clients.push(client),
            Err(error) if error.cause() == Some(Cause::NoConnections) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(clients)
}

/// What came in place of the answer.
enum Unlike {
    /// What was another client's.
    Mixed(String),
    /// None.
    Failed(sqlx::Error),
}

/// Asks what only this client asks, under the name that all begin with.
async fn ask(
    (number, client): &mut (usize, PgConnection),
    rounds: std::ops::Range<u32>,
) -> Result<(), Unlike> {
    let question = format!("select 'client {number} round ' || $1::int8");
    for round in rounds {
        let expected = format!("client {number} round {round}");
        let ask = || sqlx::query_scalar(AssertSqlSafe(question.clone())).bind(i64::from(round));
        let alone: Result<String, _> = ask().fetch_one(&mut *client).await;
        compare(&expected, alone)?;
        let within = async {
            let mut tx = client.begin().await?;
            let answer: String = ask().fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(answer)
        };
        compare(&expected, within.await)?;
    }
    Ok(())
}

fn compare(expected: &str, answer: Result<String, sqlx::Error>) -> Result<(), Unlike> {
    match answer {
        Ok(answer) if answer == expected => Ok(()),
        Ok(answer) => Err(Unlike::Mixed(format!("{expected:?} was answered with {answer:?}"))),
        Err(error) if is_proof(&error) => Err(Unlike::Mixed(error.to_string())),
        Err(error) => Err(Unlike::Failed(error)),
    }
}

/// Whether an error can only come from an answer, or a statement, that was another client's. A server that is away or stops is
/// none, whichever words the pooler has for it.
fn is_proof(error: &sqlx::Error) -> bool {
    use sqlx::Error;
    match error {
        Error::Database(refused) => match refused.code().as_deref() {
            // A prepared statement that is unknown, or there already.
            Some("26000" | "42P05") => true,
            Some("08P01") => refused.message().contains("bind message"),
            _ => false,
        },
        Error::Protocol(_)
        | Error::RowNotFound
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::TypeNotFound { .. } => true,
        _ => false,
    }
}
