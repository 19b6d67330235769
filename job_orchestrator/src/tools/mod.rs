//! What the subcommands of the program need beside the service.

mod analyze;
mod parse;

pub use analyze::{AnalyzeError, analyze};
pub use chain_client::download::{DownloadError, download};
pub use parse::{Parser, WrappedNativeError, parse_files};

/// Answers an accounting document: the result, or the reason why there is none, as one JSON object
/// in one line.
pub fn engine(input: &str) -> String {
    pnl_core::document::answer(input)
}
