//! Wallets of an EVM chain over HTTP.

use load_tests::evm::Maker;
use load_tests::{EvmChain, RecordedChain};
use serde_json::json;
use service_runtime::config::Role;

use crate::support::{Plan, TestApp};

/// The first example of EIP-55.
const WALLET: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const ETHER: u128 = 1_000_000_000_000_000_000;

#[tokio::test]
async fn addresses_are_held_to_their_checksum_and_answered_in_lower_case() {
    let lower = WALLET.to_lowercase();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&Maker::address(0xbb), &lower, ETHER);
    let chain = EvmChain::new(1, maker.records()).unwrap();
    let chain = RecordedChain::default().with_evm("ethereum", chain);
    let app =
        TestApp::start(Plan { role: Role::All, chain, ethereum: true, ..Plan::default() }).await;

    let wrong = WALLET.replace("aAe", "aae");
    let body = json!({"wallet_addresses": [lower, wrong], "chain": "eth"});
    let problem = app.submit(&body).await.problem(422, "validation-failed");
    assert_eq!(problem["errors_total"], 1);
    assert_eq!(problem["errors"][0]["pointer"], "/wallet_addresses/1");
    assert_eq!(problem["errors"][0]["code"], "bad-address");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("the checksummed form is {WALLET}")), "{detail}");

    // The same wallet in every way to write it.
    let upper = format!("0x{}", WALLET[2..].to_uppercase());
    let body = json!({"wallet_addresses": [WALLET, lower, upper], "chain": "eth"});
    let accepted = app.submit(&body).await.json();
    assert_eq!(accepted["chain"], "ethereum", "{accepted}");
    assert_eq!(
        (&accepted["total_wallets"], &accepted["duplicates_removed"]),
        (&json!(1), &json!(2))
    );
    let job = accepted["job_id"].as_str().unwrap();
    assert_eq!(app.ended(job).await["status"], "completed");
    let row = app.get(&format!("/api/pnl/batch/results/{job}")).await.json()["data"][0].clone();
    assert_eq!((&row["wallet"], &row["chain"]), (&json!(lower), &json!("ethereum")));
    assert_eq!(row["result"]["coverage"]["complete"], true, "{}", row["result"]["coverage"]);
    let one = app.get(&format!("/api/v2/wallets/{WALLET}/pnl?chain=eth")).await.json();
    assert_eq!((&one["wallet"], &one["chain"]), (&json!(lower), &json!("ethereum")));
    assert_eq!(one["tokens"][0]["raw"], ETHER.to_string());
}
