//! The answer to a submission that is only checked: what it would cost.

use std::collections::BTreeMap;
use std::time::Duration;

use job_orchestrator::estimate::{self, Estimate};
use persistence_layer::{StoreError, Tenant};
use serde::Serialize;

use crate::app::App;
use crate::dto::batch::CreateBatch;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct DryRun {
    dry_run: bool,
    chain: &'static str,
    total_wallets: usize,
    duplicates_removed: usize,
    estimate: EstimateView,
}

#[derive(Debug, Serialize)]
struct EstimateView {
    known_wallets: u64,
    unknown_wallets: u64,
    unexamined_wallets: u64,
    calls: u64,
    calls_by_method: BTreeMap<String, u64>,
    missing_transactions: u64,
    typical_calls_of_a_wallet: Option<u64>,
    calls_with_unknown_wallets: Option<u64>,
    providers: Vec<ProviderView>,
    not_counted: Vec<&'static str>,
}

/// A provider, as if it took all calls.
#[derive(Debug, Serialize)]
struct ProviderView {
    name: String,
    kind: &'static str,
    requests_per_second: u32,
    seconds: u64,
    seconds_with_unknown_wallets: Option<u64>,
}

/// What the request would cost, as far as that is known; looks for at most about `time`.
///
/// # Errors
/// The database.
pub async fn estimate(
    app: &App,
    tenant: &Tenant,
    request: &CreateBatch,
    time: Duration,
) -> Result<DryRun, StoreError> {
    let chain = request.chain;
    let found = estimate::estimate(&app.store, tenant, chain, &request.wallets, time).await?;
    let (known, all) = (found.total(), found.total_with_others());
    let paces = app.paces.get(&chain).into_iter().flatten();
    let providers = paces.map(|pace| {
        let seconds = |calls: u64| calls.div_ceil(u64::from(pace.requests_per_second.max(1)));
        ProviderView {
            name: pace.name.clone(),
            kind: pace.kind,
            requests_per_second: pace.requests_per_second,
            seconds: seconds(known),
            seconds_with_unknown_wallets: all.map(seconds),
        }
    });
    Ok(DryRun {
        dry_run: true,
        chain: chain.as_str(),
        total_wallets: request.wallets.len(),
        duplicates_removed: request.duplicates_removed,
        estimate: EstimateView {
            known_wallets: found.known,
            unknown_wallets: found.unknown,
            unexamined_wallets: found.unexamined,
            calls: known,
            missing_transactions: found.missing_transactions,
            typical_calls_of_a_wallet: found.typical,
            calls_with_unknown_wallets: all,
            providers: providers.collect(),
            not_counted: not_counted(&found),
            calls_by_method: found.calls,
        },
    })
}

/// What no figure counts.
fn not_counted(found: &Estimate) -> Vec<&'static str> {
    let mut what = Vec::new();
    if found.unknown + found.unexamined > 0 && found.typical.is_none() {
        what.push("unknown_wallets");
    }
    if found.known > 0 {
        what.push("new_transactions");
    }
    what.extend(["prices", "other_jobs"]);
    what
}
