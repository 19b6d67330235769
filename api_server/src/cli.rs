//! The command line: names and meaning of the subcommands and their flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use job_orchestrator::request::Preset;
use persistence_layer::Tenant;
use persistence_layer::api_keys::Scope;
use pnl_core::Chain;
use pnl_core::method::Method;
use service_runtime::config::Role;
use uuid::Uuid;

/// Profit and loss of crypto wallets, exact to the last unit.
#[derive(Debug, Parser)]
#[command(name = "pnl-tracker", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service: HTTP interface and workers.
    ///
    /// Without configuration it starts its own PostgreSQL cluster below ./data from the installed
    /// server programs.
    Serve(ServeArgs),
    /// Analyze wallets once and print the result. Progress goes to stderr.
    Analyze(AnalyzeArgs),
    /// Write an analyzed wallet's result with all its inputs, prices and versions to stdout.
    ///
    /// Reads the database and asks no endpoint. Exit code 1 when the wallet is not stored.
    Bundle(BundleArgs),
    /// Make the events and the result of a bundle again, from the file alone, and compare byte by byte.
    ///
    /// Exit code 1 when anything differs, with the transaction named.
    Replay(ReplayArgs),
    /// Explain a disposal of an analyzed wallet: lots, transactions, prices. Without an id: list some.
    ///
    /// Reads the database and asks no chain endpoint. Exit code 1 when the wallet or the disposal is
    /// not stored.
    Explain(ExplainArgs),
    /// Compute one accounting case: JSON document on stdin, result on stdout.
    Engine,
    /// Parse raw transactions into one JSON line per wallet and transaction.
    ///
    /// Exit code 1 when any file could not be read; the others are still printed.
    Parse(ParseArgs),
    /// Create, list, rotate and revoke the keys of clients (auth.mode = "keys").
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the secrets that webhooks of a tenant are signed with (webhooks.root_secrets), the newest first.
    ///
    /// Asks nobody. Exit code 1 without root secrets.
    WebhookSecrets(WebhookSecretsArgs),
    /// Make a key that signs results; its public part goes to stdout.
    SigningKey(SigningKeyArgs),
    /// Check signed results: exit code 0 when they are what was signed, 1 with what differs.
    Verify(VerifyArgs),
    /// Bring the database schema to the newest version and exit.
    Migrate(ConfigArgs),
    /// Print the description of the HTTP interface: OpenAPI 3.1.
    Openapi,
    /// Print the effective configuration with secrets redacted.
    ///
    /// Exit code 2 with the key named when something is wrong.
    CheckConfig(ConfigArgs),
    /// Look for what is wrong: configuration, database, disk, Redis, endpoints, ports.
    ///
    /// One line for each thing, with what to do. Exit code 0 all ok, 1 something to look at, 2
    /// something that does not work.
    Doctor(DoctorArgs),
    /// Show what all processes on the database do: queue, running wallets, processes, providers.
    ///
    /// Exit code 0 all well, 1 something needs a human (the first lines say what), 2 the database
    /// cannot be read.
    Status(StatusArgs),
    /// Ask a running service which gates of capacity it has reached, and how many instances a load wants.
    ///
    /// Exit code 0 no gate is reached, 1 one is (the first lines say which), 2 the service does not answer.
    Capacity(CapacityArgs),
    /// Look at the tables of the database, or do the work that keeps them small.
    #[command(subcommand)]
    Db(DbCommand),
    /// Store made-up newest results of wallets, to measure lists and summaries of a known size.
    ///
    /// Exit code 1 when the database has results already, unless --force is given.
    SeedBench(SeedBenchArgs),
}

/// `capacity`
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The admin listener of the service [default: admin.host and admin.port of the configuration]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Requests a second to plan for [default: those of the last minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rps: Option<u64>,
    /// Mean time of an answer to plan with, in milliseconds [default: that of the last minutes]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub latency_ms: Option<u64>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// `db`
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Show sizes, dead rows, indexes, slow statements, sessions, partitions and replicas.
    ///
    /// Exit code 1 when something needs a human; the first lines say what.
    Report(DbReportArgs),
    /// Run retention, vacuum and analyze every table, build broken indexes again, refresh the summary.
    ///
    /// Readers and writers go on meanwhile.
    Maintain(MaintainArgs),
}

/// `db report`
#[derive(Debug, Args)]
pub struct DbReportArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// `db maintain`
#[derive(Debug, Args)]
pub struct MaintainArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `seed-bench`
#[derive(Debug, Args)]
pub struct SeedBenchArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How many wallets; the same number gives the same wallets and figures
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rows: u32,
    /// Also into a database that has results of wallets; they stay as they are
    #[arg(long)]
    pub force: bool,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// Form of the output of commands that show something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Tables for people.
    Table,
    /// One JSON document.
    Json,
}

/// `keys`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Create a key and print it to stdout: the only time that it is shown.
    Create(CreateKeyArgs),
    /// List all keys, without the keys themselves.
    List(ListKeysArgs),
    /// Create a key like another one and print it; the other one stays valid for a while.
    ///
    /// Exit code 1 when there is no such key, or it is not valid any more.
    Rotate(RotateKeyArgs),
    /// Revoke a key for good.
    ///
    /// Exit code 1 when there is no such key.
    Revoke(RevokeKeyArgs),
}

impl KeysCommand {
    /// Where the configuration comes from.
    pub const fn config(&self) -> &ConfigArgs {
        match self {
            Self::Create(args) => &args.config,
            Self::List(args) => &args.config,
            Self::Rotate(args) => &args.config,
            Self::Revoke(args) => &args.config,
        }
    }
}

/// `webhook-secrets`
#[derive(Debug, Args)]
pub struct WebhookSecretsArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Whose receivers check with them
    #[arg(long, value_name = "NAME", default_value_t)]
    pub tenant: Tenant,
}

/// `signing-key`
#[derive(Debug, Args)]
pub struct SigningKeyArgs {
    /// Where it goes; the file must not be there yet
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The signed results: a file, - for stdin, or an address such as
    /// http://HOST/api/pnl/batch/results/JOB/signed.ndjson
    #[arg(value_name = "FILE|URL")]
    pub source: String,
    /// The public key that must have signed them [default: any]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

/// `keys create`
#[derive(Debug, Args)]
pub struct CreateKeyArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What people call it
    #[arg(long)]
    pub name: String,
    /// Whose jobs and results it reaches: 1 to 63 small letters, digits, dashes and underscores
    #[arg(long, value_name = "NAME", default_value_t)]
    pub tenant: Tenant,
    /// What it is good for: read, submit, admin (both, and the state of the service)
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', default_value = "read,submit")]
    pub scopes: Vec<Scope>,
    /// Valid for so many days [default: for ever]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub expires_in_days: Option<u32>,
}

/// `keys list`
#[derive(Debug, Args)]
pub struct ListKeysArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// `keys rotate`
#[derive(Debug, Args)]
pub struct RotateKeyArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The key, by its id
    #[arg(value_name = "ID")]
    pub id: Uuid,
    /// How long the old key stays valid, in hours
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=8760))]
    pub overlap_hours: u64,
    /// The new key is valid for so many days [default: for ever]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub expires_in_days: Option<u32>,
}

/// `keys revoke`
#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The key, by its id
    #[arg(value_name = "ID")]
    pub id: Uuid,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Ask no chain endpoint and no price source
    #[arg(long)]
    pub offline: bool,
    /// What the process is to do [default: service.role of the configuration]
    #[arg(long, value_name = "all|api|worker")]
    pub role: Option<Role>,
}

/// Where the configuration comes from.
#[derive(Debug, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file [default: ./config.toml when it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What this process does: all, api (answers requests), worker (works on wallets)
    #[arg(long, value_name = "ROLE")]
    pub role: Option<Role>,
}

/// `analyze`
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The chain: solana, ethereum, base, binance-smart-chain (or sol, eth, bsc)
    #[arg(long)]
    pub chain: Chain,
    /// Wallet addresses
    #[arg(required = true, value_name = "WALLET")]
    pub wallets: Vec<String>,
    /// Cost basis method
    #[arg(long, default_value_t = Method::Fifo)]
    pub method: Method,
    /// Which disposals count: all, 1h, 1d, 7d, 30d, 90d, 1y, or FROM..TO as RFC 3339 times
    #[arg(long, value_name = "RANGE", default_value = Preset::All.as_str())]
    pub time_range: String,
    /// The history up to this RFC 3339 time, as if nothing had come after it
    #[arg(long, value_name = "TIME", conflicts_with = "max_transactions")]
    pub as_of: Option<String>,
    /// Only the newest N transactions of each wallet
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub max_transactions: Option<u32>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Form of the output of `analyze`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// One JSON document, the rows of the results route.
    Json,
    /// The columns of the CSV export.
    Csv,
}

/// `bundle`
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The chain: solana, ethereum, base, binance-smart-chain (or sol, eth, bsc)
    #[arg(long)]
    pub chain: Chain,
    /// Cost basis method
    #[arg(long, default_value_t = Method::Fifo)]
    pub method: Method,
    /// Whose jobs have analyzed it
    #[arg(long, default_value_t)]
    pub tenant: Tenant,
    /// Write it compressed (zstd); replay reads both
    #[arg(long)]
    pub compress: bool,
    /// Wallet address
    #[arg(value_name = "WALLET")]
    pub wallet: String,
}

/// `replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The bundle; - is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The chain: solana, ethereum, base, binance-smart-chain (or sol, eth, bsc)
    #[arg(long)]
    pub chain: Chain,
    /// Cost basis method
    #[arg(long, default_value_t = Method::Fifo)]
    pub method: Method,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = ExplainFormat::Tree)]
    pub format: ExplainFormat,
    /// Whose jobs have analyzed it
    #[arg(long, default_value_t)]
    pub tenant: Tenant,
    /// Wallet address
    #[arg(value_name = "WALLET")]
    pub wallet: String,
    /// The disposal, by its id: event and part, such as 5h…:0:out
    #[arg(value_name = "DISPOSAL")]
    pub disposal: Option<String>,
}

/// Form of the output of `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// A tree for people.
    Tree,
    /// The document of the explain route.
    Json,
}

/// `parse`
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// The chain: solana, ethereum, base, binance-smart-chain (or sol, eth, bsc)
    #[arg(long)]
    pub chain: Chain,
    /// Whose view to print; repeatable [default: every signer or the sender, then everybody with a
    /// change]
    #[arg(long = "wallet", value_name = "ADDRESS")]
    pub wallets: Vec<String>,
    /// The contract whose tokens are the native coin, on EVM chains [default: WETH or WBNB]
    #[arg(long, value_name = "ADDRESS")]
    pub wrapped_native: Option<String>,
    /// Raw transactions, one per file; - is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_and_aliases_are_read() {
        let cli = Cli::parse_from([
            "pnl-tracker",
            "analyze",
            "--chain",
            "sol",
            "--format",
            "csv",
            "A",
            "B",
        ]);
        let Command::Analyze(args) = cli.command else { panic!("analyze") };
        assert_eq!((args.chain, args.format), (Chain::Solana, Format::Csv));
        assert_eq!((args.wallets.len(), args.method), (2, Method::Fifo));
        assert_eq!(args.time_range, "all");
    }

    #[test]
    fn wrong_usage_is_refused() {
        for bad in [
            &["pnl-tracker"][..],
            &["pnl-tracker", "analyze", "--chain", "doge", "A"],
            &["pnl-tracker", "analyze", "--chain", "sol"],
            &["pnl-tracker", "parse", "--chain", "sol"],
            &["pnl-tracker", "serve", "--role", "boss"],
        ] {
            assert_eq!(Cli::try_parse_from(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
