//! Questions about one wallet.

use serde_json::json;

use super::WALLETS;
use crate::handlers::{diff, disposals, reports, series, wallets, what_if};
use crate::openapi::shapes::{
    AccountingDocument, Calendar, CoverageReport, Difference, Disposals, Distribution, Equity,
    Explanation, LedgerPage, Tokens, Transactions, WalletPnl, WhatIf, WhatIfOptions,
};
use crate::openapi::{Api, Operation, params};
use crate::slo::RouteClass;

/// All of them.
pub(super) fn all() -> Api {
    wallet().and(wallet_over_time())
}

/// A question about one wallet.
fn about(class: RouteClass, summary: &str) -> Operation {
    Operation::new(WALLETS, class, summary).takes([params::chain_of_wallet()])
}

/// One whose answers are kept.
fn kept_about(class: RouteClass, summary: &str) -> Operation {
    about(class, summary).tagged().kept()
}

fn wallet() -> Api {
    Api::default()
        .get(
            "/api/v2/wallets/{wallet}/pnl",
            wallets::pnl,
            kept_about(RouteClass::Complex, "The result of the newest full history")
                .takes(params::view())
                .takes([params::include()])
                .json::<WalletPnl>("The figures, with the records that were asked for"),
        )
        .get(
            "/api/v2/wallets/{wallet}/ledger",
            wallets::ledger,
            kept_about(RouteClass::Report, "Every accounting event")
                .takes([params::ledger_format(), params::method()])
                .takes(params::pages())
                .json_or::<LedgerPage, AccountingDocument>("A page of events, or all of them"),
        )
        .get(
            "/api/v2/wallets/{wallet}/transactions",
            wallets::transactions,
            kept_about(RouteClass::Report, "Every transaction that has moved something")
                .takes(params::pages())
                .json::<Transactions>("A page of transactions"),
        )
        .get(
            "/api/v2/wallets/{wallet}/tokens",
            reports::tokens,
            kept_about(RouteClass::Complex, "The tokens")
                .takes(params::view())
                .takes(params::pages())
                .json::<Tokens>("A page"),
        )
        .get(
            "/api/v2/wallets/{wallet}/coverage",
            reports::coverage,
            kept_about(RouteClass::Complex, "What the figures cover, their bounds and their audit")
                .takes(params::view())
                .json::<CoverageReport>("The coverage"),
        )
        .get(
            "/api/v2/wallets/{wallet}/disposals",
            disposals::page,
            kept_about(RouteClass::Complex, "Every disposal with its lots, oldest first")
                .takes(params::view())
                .takes([params::query("asset", "Only of this asset", json!({"type": "string"}))])
                .takes(params::pages())
                .json::<Disposals>("A page of disposals"),
        )
        .get(
            "/api/v2/wallets/{wallet}/disposals/{id}/explain",
            disposals::explain,
            kept_about(RouteClass::Complex, "One disposal down to transactions and prices")
                .takes(params::view())
                .takes([params::optional_job(
                    "Of the result of this job, in place of the four before",
                )])
                .takes(params::pages())
                .json::<Explanation>("Why it has its gain"),
        )
}

fn wallet_over_time() -> Api {
    Api::default()
        .get(
            "/api/v2/wallets/{wallet}/equity",
            series::equity,
            kept_about(RouteClass::Complex, "The equity curve")
                .takes(params::view())
                .takes([params::period()])
                .json::<Equity>("Its points and its largest fall"),
        )
        .get(
            "/api/v2/wallets/{wallet}/calendar",
            series::calendar,
            kept_about(RouteClass::Complex, "Gains by day, week or month")
                .takes(params::view())
                .takes([params::period()])
                .json::<Calendar>("A row per period"),
        )
        .get(
            "/api/v2/wallets/{wallet}/distribution",
            series::distribution,
            kept_about(RouteClass::Complex, "Returns in buckets, holding times")
                .takes(params::view())
                .takes([
                    params::query(
                        "by",
                        "What has a return",
                        json!({"type": "string", "enum": ["token", "trade"]}),
                    ),
                    params::query(
                        "edges",
                        "1 to 50 rising whole percents, separated by commas",
                        json!({"type": "string", "pattern": "^-?[0-9]+(,-?[0-9]+)*$"}),
                    ),
                    params::query(
                        "boundary",
                        "Where a long holding time begins: months as `12m`, seconds as `86400s`",
                        json!({"type": "string", "pattern": "^[0-9]+[ms]$"}),
                    ),
                ])
                .json::<Distribution>("The buckets"),
        )
        .get(
            "/api/v2/wallets/{wallet}/diff",
            diff::diff,
            about(RouteClass::Report, "What changed the number from one job to another")
                .tagged()
                .takes([params::job("from"), params::job("to")])
                .json::<Difference>("Parts that sum to the difference"),
        )
        .get(
            "/api/v2/wallets/{wallet}/what-if",
            what_if::what_if,
            kept_about(RouteClass::WhatIf, "All methods side by side")
                .takes(params::time_range())
                .json::<WhatIf>("Their figures and differences"),
        )
        .post(
            "/api/v2/wallets/{wallet}/what-if",
            what_if::with_options,
            about(
                RouteClass::WhatIf,
                "All methods side by side under other options, with chosen lots",
            )
            .takes(params::time_range())
            .body::<WhatIfOptions>(true)
            .json::<WhatIf>("Their figures and differences"),
        )
}
