//! The fault programme: batches of the service are disturbed in every way that production knows,
//! and what comes out is compared with an undisturbed run, byte by byte.
//!
//! What lives where: [`kind`] names the faults, [`stage`] sets up what a run needs and has the
//! undisturbed results, [`verdict`] judges a run by its answers and by its rows, [`tally`] counts
//! and prints. The faults themselves: [`single`] (one process), [`starting`] (start and shutdown),
//! [`fleet`] (several processes), [`database`], [`redis`], [`provider`], [`interface`], [`queue`]
//! (batches that wait), [`retention`] (removal of what is old).

pub mod database;
pub mod draw;
pub mod fleet;
pub mod interface;
pub mod kind;
pub mod provider;
pub mod queue;
pub mod redis;
pub mod retention;
pub mod single;
pub mod stage;
pub mod starting;
pub mod tally;
pub mod verdict;

pub use kind::Kind;
pub use stage::{Scale, Stage};
pub use tally::Tally;

/// One round of one kind.
///
/// # Errors
/// When the run itself cannot go on; what the service does wrong is in the tally.
pub async fn run_kind(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    let mut tally = disturb(stage, kind, round).await?;
    tally.close(kind.least_faults(&stage.scale));
    Ok(tally)
}

async fn disturb(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    match kind {
        Kind::Kill | Kind::Stop | Kind::KillShutdown => single::run(stage, kind, round).await,
        Kind::KillStart => starting::own_cluster(stage, round).await,
        Kind::KillMigrate => starting::migrations(stage, round).await,
        Kind::KillRetention => retention::run(stage, round).await,
        Kind::Fleet | Kind::Freeze => fleet::run(stage, kind, round).await,
        Kind::Throttle | Kind::Down | Kind::PricesDown => {
            provider::outage(stage, kind, round).await
        }
        Kind::PostgresRestart
        | Kind::PostgresFreeze
        | Kind::PostgresConnections
        | Kind::PostgresReadOnly
        | Kind::PostgresDisk => database::run(stage, kind, round).await,
        Kind::Redis => redis::run(stage, round).await,
        Kind::Admission => interface::admission(stage, round).await,
        Kind::Queue => queue::run(stage, round).await,
        Kind::Idempotency => interface::idempotency(stage, round).await,
        Kind::CancelRetry => interface::cancel_retry(stage, round).await,
        Kind::SharedWallets => interface::shared_wallets(stage, round).await,
        Kind::Http500
        | Kind::Http503
        | Kind::RpcError
        | Kind::Reset
        | Kind::Truncated
        | Kind::Garbage
        | Kind::NullResult
        | Kind::EmptyBody
        | Kind::Hang => provider::errors(stage, kind, round).await,
    }
}
