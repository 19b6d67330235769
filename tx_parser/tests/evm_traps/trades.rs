//! Settlements, smart accounts, swaps, liquidity, bridges.

use alloy_primitives::U256;
use pnl_core::{Chain, TxKind};
use serde_json::json;

use crate::maker::{
    Maker, WETH, approval, internal, log, padded, topic, transfer, word, words, wrapping,
};
use crate::{changes, codes, devnet, net, recorded};

const USDC: &str = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";

fn units(amount: u64) -> U256 {
    U256::from(amount)
}

#[test]
fn cow_settlement_pays_traders_by_the_addresses_in_the_logs() {
    let hash = "0xd4d16ea74bbf806715f5f0e799fd5e8befbf369a9e5461fa9c0ed88d72bd06e4";
    let trader = |wallet| recorded(Chain::Ethereum, hash, wallet);
    let Some(line) = trader("0x31b6020cef40b72d1e53562229c1f9200d00cc12") else { return };
    let wbtc = "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599";
    assert_eq!(net(&line), changes(&[(wbtc, -15_463_537), (USDC, 3_800_000_000)]));
    assert!(line.fee.is_none() && !line.signed && line.exchange);
    assert_eq!((line.kind, line.venue.as_deref()), (TxKind::Swap, Some("cow_settlement")));
    // The same transaction pays another trader in coins, which no log to him shows.
    let line = trader("0x34938bd809bdf57178df6df523759b4083a29190").unwrap();
    let usdt = "0xdac17f958d2ee523a2206206994597c13d831ec7";
    assert_eq!(net(&line), changes(&[("native", 53_419_767_450_716_028), (usdt, -99_990_000)]));
    // The solver pays the gas and trades nothing.
    let solver = trader("0x149d0f9282333681ee41d30589824b2798e9fb47").unwrap();
    assert!(solver.net.is_empty() && solver.fee.is_some());
}

#[test]
fn cow_eth_flow_is_an_order_then_a_receipt_of_its_owner() {
    let owner = "0xc37b40abdb939635068d3c5f13e7faf686f03b65";
    let chain = Chain::BinanceSmartChain;
    let hash = "0xd1bd1b511948bcbef89304a4a6004eed3e99bb36b90b19a814ab3b3719cc98ad";
    let Some(opened) = recorded(chain, hash, owner) else { return };
    assert_eq!(net(&opened), changes(&[("native", -1_000_000_000_000_000)]));
    assert_eq!((opened.kind, opened.venue.as_deref()), (TxKind::Order, Some("cow_eth_flow")));
    let hash = "0x2ef3e17313340294f80b2ac03f6e6d602da2f6617fdf9bb0aeda9d29f6a4960e";
    let filled = recorded(chain, hash, owner).unwrap();
    let aave = "0xfb6115445bff7b52feb98650c87f44907e58f802";
    assert_eq!(net(&filled), changes(&[(aave, 3_503_182_735_898_775)]));
    assert_eq!((filled.kind, filled.signed), (TxKind::TransferIn, false));
    let hash = "0x5769b4634ae26ec93aebc80a50e0676b0793af485041b249652bd7ee6703a9f5";
    let owner = "0xdc4cadc65123ebd371887cad59cc8c6f8f6fc29c";
    let cancelled = recorded(Chain::Ethereum, hash, owner).unwrap();
    assert_eq!(net(&cancelled), changes(&[("native", 50_000_000_000_000_000_000)]));
    assert_eq!(cancelled.kind, TxKind::Order);
}

#[test]
fn erc_4337_account_moves_while_its_bundler_pays() {
    let hash = "0xe1a1c33b86b46b37f7581c19500dd55cf6f8d9488d0ecb1cc12ce622ca1d745b";
    let smart_account = "0xe951c14fdeea2b4e776065b36acd7d3a33e85c88";
    let Some(line) = recorded(Chain::Ethereum, hash, smart_account) else { return };
    let name = "0xd4416b13d2b3a9abae7acd5d6c2bbdbe25686401/\
                3640109333365518253352730850828852637583164733625160424515898693844424953578";
    assert_eq!(net(&line), changes(&[("native", -1_651_709_749_392_573), (name, 1)]));
    assert!(line.fee.is_none() && !line.signed);
    let bundler = "0x44940cfe7d7dff1d33284b46abdbcce5b90ffabd";
    let line = recorded(Chain::Ethereum, hash, bundler).unwrap();
    assert_eq!(net(&line), changes(&[("native", 79_355_881_905_817)]));
    assert_eq!(line.fee.unwrap().raw.to_string(), "-44295970992441");
}

#[test]
fn safe_account_moves_while_whoever_executed_pays() {
    let hash = "0x7bfaa362453a9320243d7f604b7ffff10c31964a62e779a8cd280987b203875f";
    let safe = "0xfeb4acf3df3cdea7399794d0869ef76a6efaff52";
    let Some(line) = recorded(Chain::Ethereum, hash, safe) else { return };
    let dai = "0x6b175474e89094c44da98b954eedeac495271d0f";
    assert_eq!(net(&line), changes(&[(dai, -666_000_000_000_000_000_000_000)]));
    assert!(line.fee.is_none());
    let owner = "0x2b888954421b424c5d3d9ce9bb67c9bd47537d12";
    let line = recorded(Chain::Ethereum, hash, owner).unwrap();
    assert_eq!(line.fee.unwrap().raw.to_string(), "-6953999441541852");
    assert!(line.net.is_empty());
}

#[test]
fn eip_7702_account_pays_only_what_it_sends_itself() {
    let hash = "0x42402dcf6658abaf2c47593a7ebe1264fb2f331de918239d1717a7a9d2996abf";
    let account = "0xf4ae64c5c4fb632d0e0d77097b957941c399d26e";
    let Some(line) = recorded(Chain::Ethereum, hash, account) else { return };
    assert_eq!(line.fee.unwrap().raw.to_string(), "-251669395425400");
    // Sponsored: somebody else sends a transaction to the account, which swaps for itself.
    let made = Maker::call("sponsor", "alice")
        .with("/transaction/type", json!("0x4"))
        .log(transfer(USDC, "alice", "pool", units(10)))
        .log(transfer("token", "pool", "alice", units(4)));
    let line = made.view("alice");
    assert_eq!(net(&line).len(), 2);
    assert!(line.fee.is_none() && !line.signed);
}

#[test]
fn safe_call_of_a_router_has_the_router_as_its_venue() {
    let uniswap = "0x7a250d5630b4cf539739df2c5dacb4c659f2488d";
    let input = format!("0x6a761202{}", padded(uniswap).trim_start_matches("0x"));
    let made = Maker::call("owner", "safe")
        .with("/transaction/input", json!(input))
        .log(transfer("a", "safe", "pool", units(1)))
        .log(transfer("b", "pool", "safe", units(2)));
    let line = made.view("safe");
    assert_eq!((line.kind, line.venue.as_deref()), (TxKind::Swap, Some("uniswap_v2_router")));
}

#[test]
fn approval_inside_a_swap_does_not_disturb_it() {
    let swap = Maker::call("alice", "router")
        .log(transfer("a", "alice", "pool", units(5)))
        .log(transfer("b", "pool", "alice", units(7)));
    let approving =
        swap.clone().log(approval("a", "alice", U256::MAX)).log(approval("b", "pool", units(7)));
    assert_eq!(swap.view("alice"), approving.view("alice"));
    let alone = Maker::call("alice", "a").log(approval("a", "alice", U256::MAX)).view("alice");
    assert_eq!((alone.kind, alone.net.len()), (TxKind::Approve, 0));
    let hash = "0xb2728f93291eee8aa7311bdbbe5c4c40c78d2b23689c59a36118afbb5de2908e";
    let Some(line) = devnet(hash, "0xcd3b766ccdd6ae721141f452c550ca635964ce71") else { return };
    assert_eq!((line.kind, line.net.len()), (TxKind::Approve, 0));
    assert_eq!(line.fee.unwrap().raw.to_string(), "-4666079898756");
}

#[test]
fn liquidity_is_two_assets_against_a_share() {
    let hash = "0xa2a92bd2a5fddf597aa4acb76a8fd05da9ffd4ffbaf880e41f87a941916625df";
    let wallet = "0x1cbd3b2770909d4e10f157cabc84c7264073c9ec";
    let Some(added) = devnet(hash, wallet) else { return };
    let (alfa, pair) = (
        "0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0",
        "0xbe67de9b72b36d23e14c78e884e682a1a43817cf",
    );
    let want = [
        ("native", -16_130_962_353_264_123),
        (alfa, -32_178_394_480_428_000_000),
        (pair, 720_462_663_576_639_080),
    ];
    assert_eq!((net(&added), added.kind), (changes(&want), TxKind::Liquidity));
    let hash = "0x59c0e81032cac307f90fd3b8952af6e237620294c1239c63cd0b96c37da5e8ab";
    assert_eq!(devnet(hash, wallet).unwrap().kind, TxKind::Liquidity);
}

#[test]
fn token_that_adds_liquidity_at_a_sale_leaves_it_a_swap() {
    let mint = topic("Mint(address,uint256,uint256)");
    let swapped = topic("Swap(address,uint256,uint256,uint256,uint256,address)");
    let made = Maker::call("alice", "router")
        .log(log("pair", &[mint, padded("token")], &words(&[units(1), units(1)])))
        .log(log("pair", &[swapped, padded("router"), padded("alice")], &words(&[units(1); 4])))
        .log(transfer("token", "alice", "pair", units(5)))
        .log(transfer(USDC, "pair", "alice", units(7)));
    assert_eq!(made.view("alice").kind, TxKind::Swap);
}

#[test]
fn bridge_receipt_is_no_income() {
    let hash = "0x742fbbe405ea7a547e30895719e3de09b852f5540a67b6bbd0cc8546131c6318";
    let receiver = "0xf5d90ac6747cb3352f05bf61f48b991aceae28eb";
    let Some(line) = recorded(Chain::Ethereum, hash, receiver) else { return };
    assert_eq!(net(&line), changes(&[("native", 41_982_585_504_559_745)]));
    assert_eq!(line.kind, TxKind::TransferIn);
    let hash = "0xf731b5c5dc53117413b880d0c65501cebe50c78ba3621eca9344747c95b83357";
    let receiver = "0x1218d6396dc67ec0ffbebdf049c865b83636edda";
    let line = recorded(Chain::Base, hash, receiver).unwrap();
    assert_eq!((line.kind, line.venue.as_deref()), (TxKind::Bridge, Some("base_messenger")));
    let optimism = "0x99c9fc46f92e8a1c0dec1b1747d010903e884be1";
    let sent = Maker::call("alice", optimism).value(9).view("alice");
    assert_eq!((sent.kind, net(&sent)), (TxKind::Bridge, changes(&[("native", -9)])));
}

#[test]
fn swap_with_another_recipient_is_a_payment_and_a_receipt() {
    let hash = "0x53cc3501d0ec5f7a051d8559c2cc40b8f3ffdfbc568b70b4cc0be6629ae5fa3b";
    let payer = "0x1cbd3b2770909d4e10f157cabc84c7264073c9ec";
    let Some(line) = devnet(hash, payer) else { return };
    let alfa = "0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0";
    assert_eq!(net(&line), changes(&[(alfa, -23_925_800_000_000_000_000)]));
    // No round trip that lost everything, although the wallet signed and an exchange took part.
    assert_eq!((line.kind, line.exchange), (TxKind::TransferOut, true));
    let line = devnet(hash, "0xcd3b766ccdd6ae721141f452c550ca635964ce71").unwrap();
    assert_eq!((line.kind, line.signed), (TxKind::TransferIn, false));
}

#[test]
fn swap_for_somebody_else_with_change_back_is_no_round_trip() {
    let swapped = topic("Swap(address,uint256,uint256,uint256,uint256,address)");
    let event = log("pair", &[swapped, padded("router"), padded("bob")], &words(&[units(1); 4]));
    let made = |back| {
        Maker::call("alice", "router")
            .value(100)
            .log(event.clone())
            .internal(internal("router", "alice", back))
    };
    assert_eq!(made(30).view("alice").kind, TxKind::TransferOut);
    // Who gets most of it back has gone round.
    assert_eq!(made(98).view("alice").kind, TxKind::Swap);
    assert_eq!(made(103).view("alice").kind, TxKind::Swap);
}

#[test]
fn uniswap_v4_needs_no_pool() {
    let hash = "0x4a3d3205385105f5159b905c8a1471a6328452909d826f55ef2f0690381d9aa7";
    let wallet = "0x3ed56f271ea3b86523e44ff1ee0d21f40d68d94f";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    assert_eq!(net(&line), changes(&[("native", -201_453_662_983_962_514), (USDC, 927_832_424)]));
    assert_eq!(
        (line.kind, line.venue.as_deref()),
        (TxKind::Swap, Some("uniswap_universal_router"))
    );
}

#[test]
fn protocol_fees_stay_inside_the_net() {
    // Of the 170323280824739264 wei that the pool pays, the router keeps its fee.
    let hash = "0x1dadb9930dfd8732fe2281435fabf3b32d0a1317b02c4484153e3c9c8e5aa5ce";
    let wallet = "0xa01f6d0985389a8e106d3158a9441ac21eac8d8c";
    let Some(line) = recorded(Chain::Base, hash, wallet) else { return };
    let token = "0x0d97f261b1e88845184f678e2d1e7a98d9fd38de";
    let want = [("native", 168_875_532_937_728_981), (token, -2_043_495_674_885_273_676_574_334)];
    assert_eq!(net(&line), changes(&want));
    assert!(line.service_fees.is_empty());
}

#[test]
fn swap_that_pays_wrapped_coins_is_a_swap_for_coins() {
    let made = Maker::call("alice", "router")
        .log(transfer(USDC, "alice", "pool", units(10)))
        .log(transfer(WETH, "pool", "router", units(3)))
        .log(wrapping("Withdrawal", "router", 3))
        .internal(internal(WETH, "router", 3))
        .internal(internal("router", "alice", 3));
    let line = made.view("alice");
    assert_eq!(net(&line), changes(&[("native", 3), (USDC, -10)]));
    assert!(made.view("router").net.is_empty() && line.complete.native);
    assert!(codes(&line).is_empty());
    // An amount in the event of a pool changes nothing.
    let event = topic("Swap(address,uint256,uint256,uint256,uint256,address)");
    let data = word(U256::MAX);
    let more = made.log(log("pool", &[event, padded("alice")], &data)).view("alice");
    assert_eq!((more.net, more.exchange), (line.net, true));
}
