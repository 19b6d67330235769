//! Raw transactions in files -> one JSON line per wallet and transaction.

use std::io::{self, Read, Write};
use std::path::Path;

use pnl_core::{Address, Chain, WalletTransaction};
use tx_parser::{ParseError, evm, solana};

/// The name of the standard input among the files.
const STDIN: &str = "-";

/// Reads the raw transactions of one chain.
#[derive(Debug, Clone, Copy)]
pub enum Parser {
    /// The `result` of getTransaction.
    Solana,
    /// {transaction, receipt, block_timestamp, internal_transfers} of an EVM chain.
    Evm(evm::Network),
}

/// Why a contract cannot be the wrapped native coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrappedNativeError {
    /// The chain's wrapped coin is no contract that could be another one.
    #[error("the wrapped coin of {0} is fixed")]
    Fixed(Chain),
    /// The address is none of the chain.
    #[error("no address of {0}")]
    BadAddress(Chain),
}

impl Parser {
    /// The parser of `chain`; `wrapped_native` replaces the contract whose tokens are its coin.
    ///
    /// # Errors
    /// [`WrappedNativeError`] when the chain has no such contract, or the address is none.
    pub fn new(chain: Chain, wrapped_native: Option<&Address>) -> Result<Self, WrappedNativeError> {
        let Some(network) = evm::Network::of(chain) else {
            return match wrapped_native {
                None => Ok(Self::Solana),
                Some(_) => Err(WrappedNativeError::Fixed(chain)),
            };
        };
        let network = match wrapped_native {
            None => network,
            Some(contract) => network
                .with_wrapped_native(contract)
                .ok_or(WrappedNativeError::BadAddress(chain))?,
        };
        Ok(Self::Evm(network))
    }

    fn parse(&self, raw: &[u8], wallets: &[Address]) -> Result<Vec<WalletTransaction>, ParseError> {
        match self {
            Self::Solana => solana::parse_all(raw, wallets),
            Self::Evm(network) => evm::parse_all(raw, network, wallets),
        }
    }
}

/// Why a file gave no lines.
struct BadFile {
    error: String,
    /// A place in the file; null when it could not be read at all.
    at: Option<String>,
}

/// Parses each file as one raw transaction, in the order given, and writes a line per
/// wallet to `out`; `-` is the standard input. Without wallets the default ones are shown. A bad
/// file is one JSON line on `errors`, and the rest goes on. Gives whether every file was good.
///
/// # Errors
/// When `out` or `errors` cannot be written.
pub fn parse_files(
    parser: &Parser,
    wallets: &[Address],
    files: &[impl AsRef<Path>],
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<bool> {
    let mut all_good = true;
    for file in files.iter().map(AsRef::as_ref) {
        match parse_file(parser, wallets, file) {
            Ok(lines) => {
                for line in lines {
                    serde_json::to_writer(&mut *out, &line)?;
                    out.write_all(b"\n")?;
                }
            }
            Err(bad) => {
                all_good = false;
                let file = file.display().to_string();
                let line = serde_json::json!({"file": file, "error": bad.error, "at": bad.at});
                writeln!(errors, "{line}")?;
            }
        }
    }
    out.flush()?;
    Ok(all_good)
}

fn parse_file(
    parser: &Parser,
    wallets: &[Address],
    file: &Path,
) -> Result<Vec<WalletTransaction>, BadFile> {
    let raw = read(file).map_err(|error| BadFile { error: error.to_string(), at: None })?;
    parser.parse(&raw, wallets).map_err(BadFile::from)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new(STDIN) {
        return std::fs::read(file);
    }
    let mut raw = Vec::new();
    io::stdin().lock().read_to_end(&mut raw)?;
    Ok(raw)
}

impl From<ParseError> for BadFile {
    fn from(error: ParseError) -> Self {
        Self { error: error.detail, at: Some(error.at) }
    }
}
