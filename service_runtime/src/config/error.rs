//! Why settings were refused.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key with its sections, for example `worker.lease_seconds`; or the name of an
    /// environment variable that is no key.
    pub key: String,
    /// What is wrong with the value. Never holds text of a value that could be a secret.
    pub problem: String,
    /// Where the value came from: a file, an environment variable, or the built-in default.
    pub origin: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (from {})", self.key, self.problem, self.origin)
    }
}

/// Why the settings could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or a file that a key names, could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is no TOML. Its text is not quoted, since the line could hold a secret.
    #[error("{}:{line}: not TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line of the mistake, from 1.
        line: usize,
        /// What the reader of TOML said.
        message: String,
    },
    /// Other machines could ask without a key, and nobody said that they may. The sentence tells users
    /// which key to set.
    #[error(
        "api.host = {host:?} lets other machines ask without a key: set auth.allow_open_public = true \
         to allow it, ask for keys with auth.mode = \"keys\", or listen on 127.0.0.1"
    )]
    OpenToOthers {
        /// The address to listen on.
        host: String,
    },
    /// Keys or values are wrong. Every problem found is listed, one per line.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

impl ConfigError {
    /// The stable code, for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config-unreadable",
            Self::Syntax { .. } => "config-syntax",
            Self::OpenToOthers { .. } => "config-open-public",
            Self::Invalid(_) => "config-invalid",
        }
    }
}
