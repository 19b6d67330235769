//! Raw transactions in files -> one JSON line per wallet and transaction.

use std::io::{self, Read, Write};
use std::path::Path;

use pnl_core::{Address, Chain, WalletTransaction};
use tx_parser::ParseError;

/// The name of the standard input among the files.
const STDIN: &str = "-";

/// Why a file gave no lines.
struct BadFile {
    error: String,
    /// A place in the file; null when it could not be read at all.
    at: Option<String>,
}

/// Parses each file as one raw transaction of `chain`, in the order given, and writes a line per
/// wallet to `out`; `-` is the standard input. Without wallets the default ones are shown. A bad
/// file is one JSON line on `errors`, and the rest goes on. Gives whether every file was good.
///
/// # Errors
/// When `out` or `errors` cannot be written.
pub fn parse_files(
    chain: Chain,
    wallets: &[Address],
    files: &[impl AsRef<Path>],
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<bool> {
    let mut all_good = true;
    for file in files.iter().map(AsRef::as_ref) {
        match parse_file(chain, wallets, file) {
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
    chain: Chain,
    wallets: &[Address],
    file: &Path,
) -> Result<Vec<WalletTransaction>, BadFile> {
    let raw = read(file).map_err(|error| BadFile { error: error.to_string(), at: None })?;
    match chain {
        Chain::Solana => tx_parser::solana::parse_all(&raw, wallets).map_err(BadFile::from),
        Chain::Ethereum | Chain::Base | Chain::BinanceSmartChain => {
            Err(BadFile { error: format!("this version cannot parse {chain}"), at: None })
        }
    }
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
