//! `migrate`: the schema to its newest version.

use std::process::ExitCode;

use crate::cli::ConfigArgs;
use crate::commands::configure;
use crate::database::Database;

/// Migrates and says from where to where.
pub async fn run(args: ConfigArgs) -> anyhow::Result<ExitCode> {
    let settings = configure(&args)?;
    let database = Database::open(&settings).await?;
    let before = database.store.schema_version().await?.0;
    let migrated = database.store.migrate().await;
    if migrated.is_ok() {
        let (now, _) = database.store.schema_version().await?;
        tracing::info!(before, now, "the schema is at its newest version");
    }
    database.close().await;
    migrated?;
    Ok(ExitCode::SUCCESS)
}
