//! Bytes and events per second of both parsers on one thread, beside what must be paid in any case:
//! a bare read of the bytes, and serde_json alone for the members that the parser reads.
//!
//!     make bench-parser                 recordings of TEST_FIXTURES_DIR
//!     make bench-parser RECORDED=DIR    of another folder of that layout
//!
//! Every round does all of it on all files of a family, one after the other; a ratio compares within
//! a round, and the median of the rounds counts. So a machine that is busy for a moment slows what
//! is compared alike.

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod typed;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use pnl_core::{Address, Chain, WalletTransaction};
use tx_parser::{evm, solana};

/// Rounds that count; a few before them warm the caches.
const ROUNDS: usize = 41;
const WARM_UP_ROUNDS: usize = 5;

/// The least that is accepted: bytes per second, and share of serde_json's speed in percent.
const LEAST_MB_PER_SECOND: u64 = 300;
const LEAST_PERCENT_OF_TYPED: u64 = 60;

fn main() -> ExitCode {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let Some(root) = named
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("TEST_FIXTURES_DIR").map(PathBuf::from))
    else {
        eprintln!(
            "NOTHING MEASURED: no recordings. Set TEST_FIXTURES_DIR, or name the folder that holds \
             solana/transactions and evm/<chain>/transactions."
        );
        return ExitCode::from(2);
    };
    let families = [Family::solana(&root), Family::evm(&root)];
    if let Some(empty) = families.iter().find(|family| family.files.is_empty()) {
        eprintln!("NOTHING MEASURED: {} holds no recordings of {}", root.display(), empty.name);
        return ExitCode::from(2);
    }
    let mut holds = true;
    for family in &families {
        holds &= family.measure();
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One recording, and how it is read.
struct File {
    bytes: Vec<u8>,
    network: Option<evm::Network>,
    /// Whose view the service would want: who paid the fee.
    wallet: Address,
    /// How serde_json reads it.
    typed: fn(&[u8]) -> Result<usize, serde_json::Error>,
}

impl File {
    fn one_wallet(&self) -> Vec<WalletTransaction> {
        let line = match &self.network {
            None => solana::parse(&self.bytes, &self.wallet),
            Some(network) => evm::parse(&self.bytes, network, &self.wallet),
        };
        vec![line.expect("it was parsed when it was loaded")]
    }

    fn all_wallets(&self) -> Vec<WalletTransaction> {
        let lines = match &self.network {
            None => solana::parse_all(&self.bytes, &[]),
            Some(network) => evm::parse_all(&self.bytes, network, &[]),
        };
        lines.expect("it was parsed when it was loaded")
    }

    fn typed(&self) -> usize {
        (self.typed)(&self.bytes).expect("it was read when it was loaded")
    }
}

/// All recordings of one kind of chain.
struct Family {
    name: &'static str,
    files: Vec<File>,
}

impl Family {
    fn solana(root: &Path) -> Self {
        Self { name: "Solana", files: load(&root.join("solana/transactions"), None) }
    }

    fn evm(root: &Path) -> Self {
        let files = [Chain::Ethereum, Chain::Base, Chain::BinanceSmartChain].map(|chain| {
            let folder = root.join("evm").join(chain.as_str()).join("transactions");
            load(&folder, evm::Network::of(chain))
        });
        Self { name: "EVM", files: files.into_iter().flatten().collect() }
    }

    /// Prints the figures; whether the limits hold.
    fn measure(&self) -> bool {
        let bytes: usize = self.files.iter().map(|file| file.bytes.len()).sum();
        let bytes = u64::try_from(bytes).expect("it is in memory");
        let mut rounds: Vec<[u64; 4]> = Vec::new();
        for round in 0..WARM_UP_ROUNDS + ROUNDS {
            let times = [
                self.time(|file| file.bytes.iter().fold(0_u64, |sum, b| sum + u64::from(*b))),
                self.time(File::typed),
                self.time(File::one_wallet),
                self.time(File::all_wallets),
            ];
            if round >= WARM_UP_ROUNDS {
                rounds.push(times);
            }
        }
        println!(
            "{}: {} recordings, {} kB, one thread, median of {ROUNDS} rounds",
            self.name,
            self.files.len(),
            bytes / 1_000
        );
        let mb_per_second = |work: usize| bytes * 1_000 / median(rounds.iter().map(|r| r[work]));
        println!("  bare read of the bytes      {:>6} MB/s", mb_per_second(READ));
        println!("  typed serde_json alone      {:>6} MB/s", mb_per_second(TYPED));
        let mut holds = false;
        for (work, name, lines) in [
            (ONE_WALLET, "parser, payer of the fee", self.count(File::one_wallet)),
            (ALL_WALLETS, "parser, every wallet", self.count(File::all_wallets)),
        ] {
            let speed = mb_per_second(work);
            let of_typed = median(rounds.iter().map(|r| r[TYPED] * 100 / r[work]));
            let of_read = median(rounds.iter().map(|r| r[READ] * 1_000 / r[work]));
            let time = median(rounds.iter().map(|r| r[work]));
            let per_second = |count: u64| count * 1_000_000_000 / time;
            println!(
                "  {name:<26}  {speed:>6} MB/s = {of_typed} % of typed, {}.{} % of the read; {} \
                 transactions/s, {} lines/s, {} events/s",
                of_read / 10,
                of_read % 10,
                per_second(self.files.len() as u64),
                per_second(lines.0),
                per_second(lines.1),
            );
            // A service asks for one wallet; its limits are those of the service.
            if work == ONE_WALLET {
                holds = speed >= LEAST_MB_PER_SECOND && of_typed >= LEAST_PERCENT_OF_TYPED;
            }
        }
        println!(
            "  at least {LEAST_MB_PER_SECOND} MB/s and {LEAST_PERCENT_OF_TYPED} % of typed for one \
             wallet: {}",
            if holds { "holds" } else { "MISSED" }
        );
        holds
    }

    /// Nanoseconds for all files.
    fn time<T>(&self, work: impl Fn(&File) -> T) -> u64 {
        let start = Instant::now();
        for file in &self.files {
            black_box(work(black_box(file)));
        }
        u64::try_from(start.elapsed().as_nanos()).expect("it takes less than centuries").max(1)
    }

    /// Lines, and their events: what is not zero in net, fee, tips and rent.
    fn count(&self, work: impl Fn(&File) -> Vec<WalletTransaction>) -> (u64, u64) {
        let lines = self.files.iter().flat_map(work);
        lines.fold((0, 0), |(lines, events), line| {
            let amounts = [line.tips, line.rent].into_iter().chain(line.fee.map(|fee| fee.raw));
            let amounts = amounts.filter(|amount| !amount.is_zero()).count();
            (lines + 1, events + (line.net.len() + amounts) as u64)
        })
    }
}

const READ: usize = 0;
const TYPED: usize = 1;
const ONE_WALLET: usize = 2;
const ALL_WALLETS: usize = 3;

/// The recordings of a folder; none when it is not there.
fn load(folder: &Path, network: Option<evm::Network>) -> Vec<File> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).expect("a file that is listed can be read");
        let lines = match &network {
            None => solana::parse_all(&bytes, &[]),
            Some(network) => evm::parse_all(&bytes, network, &[]),
        };
        let wallet = lines.expect("recordings can be parsed").remove(0).wallet;
        let typed = match &network {
            None if typed::solana(&bytes).is_ok() => typed::solana,
            None => typed::solana_parsed,
            Some(_) => typed::evm,
        };
        typed(&bytes).expect("recordings are of the usual types");
        files.push(File { bytes, network, wallet, typed });
    }
    files
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}
