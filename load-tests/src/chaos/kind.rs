//! The faults by name.

use clap::ValueEnum;

use super::stage::Scale;
use crate::faults::FaultKind;

/// One family of faults; a run of the programme prints one line for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Kind {
    /// The only process is killed at random moments of a batch and started again
    Kill,
    /// The only process is told to stop and started again
    Stop,
    /// A process is killed while it starts its own PostgreSQL cluster
    KillStart,
    /// A process is killed while it migrates an empty database
    KillMigrate,
    /// A process is killed while it shuts down
    KillShutdown,
    /// A process is killed while it removes what its time is over
    KillRetention,
    /// Three processes are killed, frozen, stopped and started in a drawn order
    Fleet,
    /// One of three processes is frozen for longer than its lease, then goes on
    Freeze,
    /// PostgreSQL is stopped, fast and immediately, and started again
    PostgresRestart,
    /// All processes of PostgreSQL are frozen
    PostgresFreeze,
    /// Every connection that PostgreSQL gives is taken by somebody else
    PostgresConnections,
    /// PostgreSQL takes no writes
    PostgresReadOnly,
    /// The disk of the tables is full (root only: it takes a small file system)
    PostgresDisk,
    /// Redis is killed and stands still; keys it holds are flushed and get the wrong type
    Redis,
    /// A fifth of the provider's answers is HTTP 500
    Http500,
    /// A fifth of the provider's answers is HTTP 503
    Http503,
    /// A fifth of the provider's answers is a JSON-RPC error
    RpcError,
    /// A fifth of the provider's connections is closed without an answer
    Reset,
    /// A fifth of the provider's answers breaks off
    Truncated,
    /// A fifth of the provider's answers is no JSON
    Garbage,
    /// A fifth of the provider's results is null
    NullResult,
    /// A fifth of the provider's answers is empty
    EmptyBody,
    /// Some of the provider's answers never come
    Hang,
    /// The provider answers five calls a second and 429 to the others
    Throttle,
    /// The provider is away
    Down,
    /// The price source is away
    PricesDown,
    /// 100 submissions at once over three processes; exactly three get a place
    Admission,
    /// Batches wait for a place while processes are killed, frozen and stopped
    Queue,
    /// The same submission at once, over three processes, under one key
    Idempotency,
    /// Cancel and retry at once, against claims and ends of wallets
    CancelRetry,
    /// Three batches with the same wallets at the same time
    SharedWallets,
}

impl Kind {
    /// The name on the command line and in the table.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_name().to_owned()
    }

    /// Whether the short programme has it.
    pub const fn is_quick(self) -> bool {
        matches!(
            self,
            Self::Kill
                | Self::KillMigrate
                | Self::PostgresRestart
                | Self::RpcError
                | Self::Down
                | Self::Admission
                | Self::Idempotency
                | Self::CancelRetry
        )
    }

    /// Fewest faults of a round that shows anything. One process that is killed once or twice in a
    /// batch may have been lucky, so the full programme asks for more there.
    pub fn least_faults(self, scale: &Scale) -> u64 {
        match self {
            Self::Kill if !scale.short => scale.faults.min(5),
            _ => 1,
        }
    }

    /// The answer of the node that this kind is about.
    pub const fn node_fault(self) -> Option<FaultKind> {
        Some(match self {
            Self::Http500 => FaultKind::Http500,
            Self::Http503 => FaultKind::Http503,
            Self::RpcError => FaultKind::RpcError,
            Self::Reset => FaultKind::Reset,
            Self::Truncated => FaultKind::Truncated,
            Self::Garbage => FaultKind::Garbage,
            Self::NullResult => FaultKind::NullResult,
            Self::EmptyBody => FaultKind::EmptyBody,
            Self::Hang => FaultKind::Hang,
            _ => return None,
        })
    }
}
