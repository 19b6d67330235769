//! Routes of continuous mode.

use persistence_layer::watched_wallets::WatchState;
use serde_json::json;

use super::{SERVICE, WALLETS};
use crate::dto::watched::{AddedView, ResumedView, WatchedPage, WatchedView};
use crate::handlers::{continuous, watched};
use crate::openapi::shapes::{NoMembers, ToBeWatched};
use crate::openapi::{Api, Operation, params};
use crate::slo::RouteClass;

/// What operators switch for the whole fleet.
pub fn switches() -> Api {
    let order = |summary: &str| {
        Operation::new(SERVICE, RouteClass::Submit, summary)
            .body::<NoMembers>(false)
            .accepts::<continuous::SwitchView>("How continuous mode stands now")
    };
    Api::default()
        .post(
            "/api/services/continuous/start",
            continuous::start,
            order("Rounds of watched wallets begin from now on"),
        )
        .post(
            "/api/services/continuous/stop",
            continuous::stop,
            order("No round of watched wallets begins any more"),
        )
}

/// The lists of tenants.
pub fn watched_wallets() -> Api {
    Api::default()
        .post(
            "/api/pnl/watched/add",
            watched::add,
            Operation::new(WALLETS, RouteClass::Submit, "Have wallets analyzed again and again")
                .body::<ToBeWatched>(true)
                .json::<AddedView>("They are watched"),
        )
        .get(
            "/api/pnl/watched",
            watched::list,
            Operation::new(
                WALLETS,
                RouteClass::Simple,
                "Watched wallets, in the order in which they came",
            )
            .takes([
                params::chain(),
                params::query(
                    "state",
                    "Only those that stand so",
                    json!({"type": "string", "enum": WatchState::ALL.map(WatchState::as_str)}),
                ),
            ])
            .takes(params::pages())
            .json::<WatchedPage>("A page of them")
            .tagged(),
        )
        .post(
            "/api/pnl/watched/resume",
            watched::resume_all,
            Operation::new(WALLETS, RouteClass::Submit, "Let parked wallets go on")
                .takes([
                    params::chain(),
                    params::query(
                        "code",
                        "Only those whose last round ended with this code",
                        json!({"type": "string"}),
                    ),
                ])
                .body::<NoMembers>(false)
                .accepts::<ResumedView>("How many go on"),
        )
        .delete(
            "/api/pnl/watched/{wallet}",
            watched::remove,
            Operation::new(WALLETS, RouteClass::Submit, "Watch a wallet no longer")
                .takes([params::chain_of_wallet()])
                .nothing("It is not watched any more"),
        )
        .post(
            "/api/pnl/watched/{wallet}/resume",
            watched::resume,
            Operation::new(WALLETS, RouteClass::Submit, "Let a parked wallet go on")
                .takes([params::chain_of_wallet()])
                .body::<NoMembers>(false)
                .accepts::<WatchedView>("It is not parked any more"),
        )
}
