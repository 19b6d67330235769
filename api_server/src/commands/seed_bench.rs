//! `seed-bench`: made-up results, to measure lists and summaries of a known size.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use persistence_layer::{Store, bench_data};

use super::configure_quietly;
use crate::cli::SeedBenchArgs;
use crate::database::Database;

/// Stores them, and says what it did.
pub async fn run(args: SeedBenchArgs) -> anyhow::Result<ExitCode> {
    let settings = configure_quietly(&args.config)?;
    let database = Database::open_for_a_look(&settings).await?;
    let seeded = seed(&database.store, &args).await;
    database.close().await;
    writeln!(io::stdout(), "{}", seeded?)?;
    Ok(ExitCode::SUCCESS)
}

async fn seed(store: &Store, args: &SeedBenchArgs) -> anyhow::Result<String> {
    let (applied, newest) = store.schema_version().await?;
    if applied == 0 {
        store.migrate().await?;
    } else if applied < newest {
        bail!(
            "the schema has version {applied}, not {newest}; give seed-bench a database of its own"
        );
    }
    if !args.force && bench_data::has_results(store).await? {
        bail!(
            "the database has jobs or results of wallets, and made-up ones would stand among them; give \
             seed-bench a database of its own, or --force"
        );
    }
    let new = bench_data::seed(store, args.rows, |done| {
        // Progress is for people; a closed stderr ends nothing.
        let _ = writeln!(io::stderr(), "{done} of {} rows", args.rows);
    })
    .await?;
    let there = u64::from(args.rows) - new;
    Ok(format!(
        "stored {new} made-up newest results of the tenant default ({there} were there), an ended job for each \
         chain, and the statistics over them"
    ))
}
