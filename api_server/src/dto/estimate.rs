//! The answer to a submission that is only checked: what it would cost.

use std::collections::BTreeMap;

use job_orchestrator::estimate::Estimate;
use job_orchestrator::sources::Pace;
use serde::Serialize;

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

impl DryRun {
    /// What the request would cost, at the pace of each provider of its chain.
    pub fn of(request: &CreateBatch, found: Estimate, paces: &[Pace]) -> Self {
        let (known, all) = (found.total(), found.total_with_others());
        let provider = |pace: &Pace| {
            let seconds = |calls: u64| calls.div_ceil(u64::from(pace.requests_per_second.max(1)));
            ProviderView {
                name: pace.name.clone(),
                kind: pace.kind,
                requests_per_second: pace.requests_per_second,
                seconds: seconds(known),
                seconds_with_unknown_wallets: all.map(seconds),
            }
        };
        Self {
            dry_run: true,
            chain: request.chain.as_str(),
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
                providers: paces.iter().map(provider).collect(),
                not_counted: not_counted(&found),
                calls_by_method: found.calls,
            },
        }
    }
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
