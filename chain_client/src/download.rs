//! Reading a file from a server.

use std::time::Duration;

use futures::{Stream, StreamExt};

use crate::endpoint::http_client;
use crate::redact::SecretUrl;

/// Longest silence of the server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The address.
    #[error("the address cannot be used: {0}")]
    Url(String),
    /// The server does not answer, or breaks off.
    #[error("the server does not give the file: {0}")]
    Transport(String),
    /// It answers something else.
    #[error("the server answers {0}")]
    Status(u16),
    /// It has fallen silent.
    #[error("the server has been silent for {} s", PATIENCE.as_secs())]
    Silent,
}

/// The bytes at `url`, as they come. Redirects are not followed.
///
/// # Errors
/// [`DownloadError`], also as the end of the stream.
pub async fn download(
    url: &str,
) -> Result<impl Stream<Item = Result<Vec<u8>, DownloadError>> + Unpin + use<>, DownloadError> {
    let address = SecretUrl::parse(url).map_err(DownloadError::Url)?;
    let client = http_client(&address).map_err(DownloadError::Transport)?;
    let failed = |error: reqwest::Error| DownloadError::Transport(error.without_url().to_string());
    let asked = tokio::time::timeout(PATIENCE, client.get(url).send()).await;
    let response = asked.map_err(|_| DownloadError::Silent)?.map_err(failed)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(DownloadError::Status(response.status().as_u16()));
    }
    let pieces = futures::stream::try_unfold(response, move |mut response| async move {
        let piece = tokio::time::timeout(PATIENCE, response.chunk()).await;
        let piece = piece.map_err(|_| DownloadError::Silent)?.map_err(failed)?;
        Ok(piece.map(|piece| (piece.to_vec(), response)))
    });
    Ok(pieces.boxed())
}
