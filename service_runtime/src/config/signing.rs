//! `[signing]`: results that others can check.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[signing]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningSettings {
    /// File with the private key; empty: nothing is signed.
    pub key_file: PathBuf,
}
