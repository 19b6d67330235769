//! Finding the server programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::PostgresError;

/// What a folder must hold to be of use.
const NEEDED: [&str; 4] = ["initdb", "pg_ctl", "postgres", "psql"];

/// The oldest version that the schema is tested with.
const OLDEST: u32 = 14;

/// A folder with all server programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    folder: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds the programs: in `bin_dir` alone when it is given, else the newest of `pg_config
    /// --bindir`, the usual folders and PATH. An existing cluster needs the programs of `version`,
    /// its own.
    pub(super) fn find(
        bin_dir: Option<&Path>,
        version: Option<u32>,
    ) -> Result<Self, PostgresError> {
        let folders = bin_dir.map_or_else(usual_folders, |folder| vec![folder.to_owned()]);
        let found = folders.iter().filter_map(|folder| Self::in_folder(folder));
        let fitting = found.filter(|p| version.map_or(p.major >= OLDEST, |v| p.major == v));
        // Of equals the first wins: max_by_key would give the last.
        let newest = fitting.reduce(|best, next| if next.major > best.major { next } else { best });
        newest.ok_or_else(|| PostgresError::ProgramsMissing {
            wanted: version.map_or(format!("{OLDEST} or later"), |v| v.to_string()),
            searched: bin_dir.map_or(
                "`pg_config --bindir`, /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, \
                 /usr/local/pgsql/bin and PATH"
                    .to_owned(),
                |folder| folder.display().to_string(),
            ),
            package: version.map_or("postgresql".to_owned(), |v| format!("postgresql-{v}")),
        })
    }

    /// The path of one of the programs.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        if !NEEDED.iter().all(|program| folder.join(program).is_file()) {
            return None;
        }
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { folder: folder.to_owned(), major })
    }
}

/// Folders worth a look, the likeliest first.
fn usual_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    // Debian and Ubuntu; Fedora and its relatives.
    for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(
            entries
                .filter(|e| e.file_name().to_string_lossy().starts_with(prefix))
                .map(|e| e.path().join("bin"))
                .filter(|bin| bin.is_dir()),
        );
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders
}

/// The major version in the answer to `--version`: `postgres (PostgreSQL) 15.18 (Debian …)`,
/// `postgres (PostgreSQL) 18beta1`.
fn major_version(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL) ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_every_known_form() {
        for (answer, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("something else 15\n", None),
            ("", None),
        ] {
            assert_eq!(major_version(answer), major, "{answer:?}");
        }
    }

    #[test]
    fn missing_programs_are_answered_with_one_line_to_install_them() {
        let nowhere = Path::new("/nowhere/at/all");
        let text = Programs::find(Some(nowhere), None).unwrap_err().to_string();
        assert!(text.contains("`sudo apt-get install -y postgresql`"), "{text}");
        assert!(text.contains("in /nowhere/at/all"), "{text}");
        let text = Programs::find(Some(nowhere), Some(15)).unwrap_err().to_string();
        assert!(text.contains("`sudo apt-get install -y postgresql-15`"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}
