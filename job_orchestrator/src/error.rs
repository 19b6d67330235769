//! Why a stage of a wallet's work gave up.

use std::time::Duration;

use chain_client::{SourceError, is_about_the_provider};
use persistence_layer::wallet_tasks::TaskError;
use persistence_layer::{Cause, StoreError};
use pnl_core::TxId;
use service_runtime::telemetry::Chain;

/// The error of a stage, sorted by what the task can do about it (see [`crate::outcome`]).
#[derive(Debug, Clone, thiserror::Error)]
pub enum StageError {
    /// A call failed as often as it may be tried.
    #[error("{detail}")]
    Transient {
        /// The last failure, without secrets.
        detail: String,
    },
    /// The provider asked to wait.
    #[error("the provider asked to wait {}s", retry_after.as_secs())]
    RateLimited {
        /// For how long.
        retry_after: Duration,
    },
    /// Every provider of the chain fails at the endpoint.
    #[error("every provider of the chain is down: {detail}")]
    Outage {
        /// The last failure, without secrets.
        detail: String,
    },
    /// The price source asked to wait.
    #[error("the price source asked to wait {}s", retry_after.as_secs())]
    PricesThrottled {
        /// For how long.
        retry_after: Duration,
    },
    /// The price source fails at its endpoint.
    #[error("the price source is down: {detail}")]
    PricesAway {
        /// The last failure, without secrets.
        detail: String,
    },
    /// A listed transaction is unknown to every provider.
    #[error("no provider has the transaction: {detail}")]
    TransactionNotFound {
        /// Which one.
        detail: String,
    },
    /// A list that has been read in part is another one at the providers that answer, or unknown.
    #[error("the chain endpoint does not know the list: {detail}")]
    ListUnknown {
        /// The address, and the row it does not know.
        detail: String,
    },
    /// A transaction that the parser cannot read; it is not stored.
    #[error("the transaction cannot be read: {detail}")]
    Unreadable {
        /// Which one, and where it stops making sense.
        detail: String,
    },
    /// Other processes kept listing the same address in between.
    #[error("the list is being read by other processes: {detail}")]
    Contended {
        /// Which address.
        detail: String,
    },
    /// The chain endpoint refused; trying again cannot help.
    #[error("{detail}")]
    Permanent {
        /// Stable code.
        code: &'static str,
        /// In words, without secrets.
        detail: String,
    },
    /// What is known of the wallet has no result; trying again cannot help.
    #[error("{detail}")]
    Uncomputable {
        /// Stable code.
        code: &'static str,
        /// In words.
        detail: String,
    },
    /// The lease belongs to somebody else by now; nothing was written.
    #[error("the lease of the task was lost")]
    LeaseLost,
    /// Other long wallets fill the memory of this process.
    #[error("no room for a history of this length now")]
    NoRoom,
    /// A group is worked on before its wallets have ended.
    #[error("wallets of the group have not ended yet")]
    GroupOpen,
    /// What an earlier attempt at the task has left cannot be read. It can be made again.
    #[error("what an earlier attempt has left cannot be read: {detail}")]
    LeftWork {
        /// What is wrong with it.
        detail: String,
    },
    /// The database is away.
    #[error("the database is not available: {detail}")]
    DatabaseAway {
        /// What it said.
        detail: String,
    },
    /// A statement ran into the time limit of statements.
    #[error("the database took too long: {detail}")]
    DatabaseSlow {
        /// What it said.
        detail: String,
    },
    /// A statement failed inside the server: for want of memory, or at a file. Perhaps only those for this
    /// wallet do.
    #[error("the database fails: {detail}")]
    DatabaseFailing {
        /// What it said.
        detail: String,
    },
    /// The database refused or returned something that makes no sense.
    #[error("the database refused: {detail}")]
    Storage {
        /// What it said.
        detail: String,
    },
}

impl StageError {
    /// Stable code, for the task's error, log lines and metric labels.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Transient { .. } => "provider-error",
            Self::RateLimited { .. } | Self::PricesThrottled { .. } => "provider-throttled",
            Self::Outage { .. } => "provider-outage",
            Self::PricesAway { .. } => "price-source-outage",
            Self::TransactionNotFound { .. } => "transaction-not-found",
            Self::ListUnknown { .. } => "list-unknown-at-provider",
            Self::Unreadable { .. } => "transaction-unreadable",
            Self::Contended { .. } => "listing-contended",
            Self::Permanent { code, .. } | Self::Uncomputable { code, .. } => code,
            Self::LeaseLost => "lease-lost",
            Self::NoRoom => "no-room",
            Self::GroupOpen => "group-open",
            Self::DatabaseAway { .. } => "database-unavailable",
            Self::DatabaseSlow { .. } => "database-timeout",
            Self::DatabaseFailing { .. } => "database-failing",
            Self::LeftWork { .. } | Self::Storage { .. } => "internal",
        }
    }

    /// Whether the wallet was put off by somebody it needs, which is free for a time.
    pub(crate) const fn puts_off(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::PricesThrottled { .. }
                | Self::Outage { .. }
                | Self::PricesAway { .. }
                | Self::DatabaseSlow { .. }
                | Self::DatabaseFailing { .. }
        )
    }

    /// The error as a client reads it: no internals of the database.
    pub fn to_task_error(&self) -> TaskError {
        let (title, detail, retryable) = match self {
            Self::Transient { detail } => ("A chain endpoint kept failing", detail.clone(), true),
            Self::RateLimited { .. } => {
                ("The chain endpoint asked to wait", self.to_string(), true)
            }
            Self::PricesThrottled { .. } => {
                ("The price source asked to wait", self.to_string(), true)
            }
            Self::Outage { detail } => {
                ("Every provider of the chain is down", detail.clone(), true)
            }
            Self::PricesAway { detail } => ("The price source is down", detail.clone(), true),
            Self::TransactionNotFound { detail } => {
                ("A listed transaction is missing at the chain endpoint", detail.clone(), true)
            }
            Self::ListUnknown { detail } => (
                "The chain endpoint does not know a list that it should go on with",
                detail.clone(),
                true,
            ),
            Self::Unreadable { detail } => ("A transaction cannot be read", detail.clone(), true),
            Self::Contended { .. } => {
                ("A list was read by others at the same time", self.to_string(), true)
            }
            Self::Uncomputable { code, detail } if code.starts_with("group-") => {
                ("The group cannot be computed", detail.clone(), false)
            }
            Self::Uncomputable { detail, .. } => {
                ("The wallet cannot be computed", detail.clone(), false)
            }
            Self::Permanent { code, detail } => {
                let is_retryable = is_about_the_provider(code);
                ("The chain endpoint refused the request", detail.clone(), is_retryable)
            }
            Self::NoRoom => ("Other long wallets fill the memory", self.to_string(), true),
            Self::GroupOpen => ("The group is not complete yet", self.to_string(), true),
            Self::LeaseLost
            | Self::LeftWork { .. }
            | Self::DatabaseAway { .. }
            | Self::DatabaseSlow { .. }
            | Self::DatabaseFailing { .. }
            | Self::Storage { .. } => {
                ("Internal error", "the service could not store its work".to_owned(), true)
            }
        };
        TaskError { code: self.code().to_owned(), title: title.to_owned(), detail, retryable }
    }
}

impl From<StoreError> for StageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost { .. } => Self::LeaseLost,
            StoreError::Timeout(_) => Self::DatabaseSlow { detail: Chain(&error).to_string() },
            error if error.cause() == Some(Cause::Failing) => {
                Self::DatabaseFailing { detail: Chain(&error).to_string() }
            }
            error if error.is_transient() => {
                Self::DatabaseAway { detail: Chain(&error).to_string() }
            }
            error => Self::Storage { detail: Chain(&error).to_string() },
        }
    }
}

impl StageError {
    /// Trying again cannot help.
    pub(crate) fn uncomputable(code: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Uncomputable { code, detail: error.to_string() }
    }

    /// Something that an earlier attempt has left is not what this one can go on with.
    pub(crate) fn left_work(error: &dyn std::fmt::Display) -> Self {
        Self::LeftWork { detail: error.to_string() }
    }

    /// An error of the store while it read what an earlier attempt has left.
    pub(crate) fn reading_left_work(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(detail) => Self::LeftWork { detail },
            error => error.into(),
        }
    }

    /// A transaction that the parser refused.
    pub(crate) fn unreadable(tx_id: &TxId, error: &dyn std::fmt::Display) -> Self {
        Self::Unreadable { detail: format!("{tx_id}: {error}") }
    }

    /// A question to the chain that is not for one transaction.
    pub(crate) fn asking(error: SourceError) -> Self {
        match error {
            SourceError::RateLimited { retry_after } => Self::RateLimited { retry_after },
            SourceError::Outage { detail } => Self::Outage { detail },
            SourceError::Transient { detail } | SourceError::NotFound { detail } => {
                Self::Transient { detail }
            }
            SourceError::Permanent { code, detail } => Self::Permanent { code, detail },
        }
    }

    /// A question to the chain for one transaction that it has listed.
    pub(crate) fn asking_for_transaction(tx_id: &TxId, error: SourceError) -> Self {
        match error {
            SourceError::NotFound { detail } => {
                Self::TransactionNotFound { detail: format!("{tx_id}: {detail}") }
            }
            error => Self::asking(error),
        }
    }

    /// A question to a price source. Its troubles are not the chain's, and no wallet ends for them before
    /// the limit of being put off.
    pub(crate) fn asking_for_prices(error: SourceError) -> Self {
        match error {
            SourceError::Outage { detail } => Self::PricesAway { detail },
            SourceError::RateLimited { retry_after } => Self::PricesThrottled { retry_after },
            // Whatever else a source says that does not answer: a price exists elsewhere and later, and
            // nothing is wrong with the wallet.
            SourceError::Transient { detail } | SourceError::NotFound { detail } => {
                Self::PricesAway { detail }
            }
            SourceError::Permanent { code, detail } => Self::Permanent { code, detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the repository up to its tests.
    macro_rules! code_of {
        ($file:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $file))
                .split("#[cfg(test)]")
                .next()
                .expect("the part before the tests")
        };
    }

    fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
        let rest = text.split_once(from).unwrap_or_else(|| panic!("no {from}")).1;
        rest.split_once(to).unwrap_or_else(|| panic!("no {to} behind {from}")).0
    }

    /// The texts in quotes that are codes.
    fn codes(text: &str) -> impl Iterator<Item = &str> {
        let is_code = |text: &&str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        text.split('"').skip(1).step_by(2).filter(is_code)
    }

    #[test]
    fn the_documentation_lists_every_code_a_wallet_can_end_with() {
        let page = include_str!("../../docs/api.md");
        let table = between(page, "### Codes of wallets", "Members of `result`");
        let mut known = Vec::new();
        for source in [
            code_of!("job_orchestrator/src/error.rs"),
            code_of!("pnl_core/src/engine/error.rs"),
            code_of!("pnl_core/src/ledger/mod.rs"),
            code_of!("pnl_core/src/report/mod.rs"),
        ] {
            known.extend(codes(between(source, "fn code(", "\n    }\n")));
        }
        let failures = code_of!("chain_client/src/failure.rs");
        known.extend(codes(between(failures, "fn of_status(", "/// Reads `Retry-After`")));
        for (source, before) in [
            (code_of!("job_orchestrator/src/outcome.rs"), "code: "),
            (code_of!("persistence_layer/src/wallet_tasks/sweep.rs"), "code: "),
            (code_of!("chain_client/src/endpoint.rs"), "code: "),
            (code_of!("job_orchestrator/src/worker.rs"), "StageError::uncomputable("),
            (code_of!("job_orchestrator/src/stages/finish.rs"), "StageError::uncomputable("),
            (code_of!("job_orchestrator/src/stages/group.rs"), "StageError::uncomputable("),
            (code_of!("job_orchestrator/src/stages/ledger.rs"), "StageError::uncomputable("),
        ] {
            let behind = source.split(before).skip(1);
            known.extend(
                behind.filter(|text| text.starts_with('"')).filter_map(|text| codes(text).next()),
            );
        }
        assert!(known.len() > 45, "only {} codes were found: {known:?}", known.len());
        for code in known {
            assert!(table.contains(&format!("`{code}`")), "docs/api.md lacks the code {code}");
        }
    }

    #[test]
    fn whatever_ails_a_price_source_puts_a_wallet_off() {
        let detail = || "HTTP 500".to_owned();
        for error in [
            SourceError::Outage { detail: detail() },
            SourceError::Transient { detail: detail() },
            SourceError::NotFound { detail: detail() },
        ] {
            let told = StageError::asking_for_prices(error);
            assert!(told.puts_off() && told.code() == "price-source-outage", "{told:?}");
        }
    }
}
