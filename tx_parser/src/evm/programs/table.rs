//! The table of programs.
//!
//! Addresses and names come from the programs' own documentation, from public repositories and from
//! recorded transactions that are known to call them. A program that is not sure to be what its name
//! says is not listed: an unknown program only costs a label.

use alloy_primitives::address;
use pnl_core::Chain::{self, Base, BinanceSmartChain, Ethereum};

use super::Category::{self, *};
use super::Program;
use crate::evm::Account;

const ETHEREUM: &[Chain] = &[Ethereum];
const BASE: &[Chain] = &[Base];
const BSC: &[Chain] = &[BinanceSmartChain];
const ETHEREUM_BASE: &[Chain] = &[Ethereum, Base];
const ETHEREUM_BSC: &[Chain] = &[Ethereum, BinanceSmartChain];
const BASE_BSC: &[Chain] = &[Base, BinanceSmartChain];
const ALL: &[Chain] = &[Ethereum, Base, BinanceSmartChain];

const fn program(
    chains: &'static [Chain],
    address: Account,
    name: &'static str,
    category: Category,
) -> Program {
    Program { chains, address, name, category }
}

#[rustfmt::skip]
pub(super) static PROGRAMS: &[Program] = &[
    // Routers over pools.
    program(ETHEREUM, address!("7a250d5630b4cf539739df2c5dacb4c659f2488d"), "uniswap_v2_router", Exchange),
    program(BASE_BSC, address!("4752ba5dbc23f44d87826276bf6fd6b1c372ad24"), "uniswap_v2_router", Exchange),
    program(ETHEREUM, address!("e592427a0aece92de3edee1f18e0157c05861564"), "uniswap_v3_router", Exchange),
    program(ETHEREUM, address!("68b3465833fb72a70ecdf485e0e4c7bd8665fc45"), "uniswap_v3_router_2", Exchange),
    program(BASE, address!("2626664c2603336e57b271c5c0b26f421741e481"), "uniswap_v3_router_2", Exchange),
    program(BSC, address!("b971ef87ede563556b2ed4b1c0b0019111dd85d2"), "uniswap_v3_router_2", Exchange),
    program(ETHEREUM, address!("ef1c6e67703c7bd7107eed8303fbe6ec2554bf6b"), "uniswap_universal_router", Exchange),
    program(ETHEREUM_BASE, address!("3fc91a3afd70395cd496c647d5a6cc9d4b2b7fad"), "uniswap_universal_router", Exchange),
    program(BSC, address!("5dc88340e1c5c6366864ee415d6034cadd1a9897"), "uniswap_universal_router", Exchange),
    program(ETHEREUM, address!("66a9893cc07d91d95644aedd05d03f95e1dba8af"), "uniswap_universal_router", Exchange),
    program(BASE, address!("6ff5693b99212da76ad316178a184ab56d299b43"), "uniswap_universal_router", Exchange),
    program(BSC, address!("1906c1d672b88cd1b9ac7593301ca990f94eae07"), "uniswap_universal_router", Exchange),
    program(ETHEREUM, address!("000000000004444c5dc75cb358380d2e3de08a90"), "uniswap_v4", Exchange),
    program(BASE, address!("498581ff718922c3f8e6a244956af099b2652b2b"), "uniswap_v4", Exchange),
    program(ETHEREUM, address!("d9e1ce17f2641f24ae83637ab66a2cca9c378b9f"), "sushiswap_router", Exchange),
    program(ETHEREUM, address!("ac4c6e212a361c968f1725b4d055b47e63f80b75"), "sushiswap_snwapper", Exchange),
    program(BSC, address!("10ed43c718714eb63d5aa57b78b54704e256024e"), "pancakeswap_v2_router", Exchange),
    program(BSC, address!("13f4ea83d0bd40e75c8222255bc855a974568dd4"), "pancakeswap_smart_router", Exchange),
    program(BSC, address!("1a0a18ac4becddbd6389559687d1a73d8927e416"), "pancakeswap_universal_router", Exchange),
    program(ETHEREUM, address!("ba12222222228d8ba445958a75a0704d566bf2c8"), "balancer_v2_vault", Exchange),
    program(ETHEREUM, address!("ae563e3f8219521950555f5962419c8919758ea2"), "balancer_v3_router", Exchange),
    program(BASE, address!("3f170631ed9821ca51a59d996ab095162438dc10"), "balancer_v3_router", Exchange),
    program(BASE, address!("85a80afee867adf27b50bdb7b76da70f1e853062"), "balancer_v3_batch_router", Exchange),
    program(ETHEREUM, address!("99a58482bd75cbab83b27ec03ca68ff489b5788f"), "curve_router", Exchange),
    program(BASE, address!("d6681e74eea20d196c15038c580f721ef2ab6320"), "curve_router", Exchange),
    program(BASE, address!("4f37a9d177470499a2dd084621020b023fcffc1f"), "curve_router", Exchange),
    program(BSC, address!("a72c85c258a81761433b4e8da60505fe3dd551cc"), "curve_router", Exchange),
    program(BASE, address!("cf77a3ba9a5ca399b7c97c74d54e5b1beb874e43"), "aerodrome_router", Exchange),
    program(BASE, address!("6cb442acf35158d5eda88fe602221b67b400be3e"), "aerodrome_universal_router", Exchange),
    program(ETHEREUM_BASE, address!("888888888889758f76e7103c6cbf23abbf58f946"), "pendle_router", Exchange),
    program(ETHEREUM, address!("00000000005bbb0ef59571e58418f9a4357b68a0"), "pendle_router_v3", Exchange),
    program(ETHEREUM, address!("655edce464cc797526600a462a8154650eee4b77"), "clipper", Exchange),
    program(BASE, address!("b32d856cad3d2ef07c94867a800035e37241247c"), "clipper", Exchange),

    // Aggregators.
    program(ALL, address!("def1c0ded9bec7f1a1670819833240f027b25eff"), "zerox_exchange_proxy", Exchange),
    program(ALL, address!("0000000000001ff3684f28c67538d4d072c22734"), "zerox_allowance_holder", Exchange),
    program(ETHEREUM, address!("0d0e364aa7852291883c162b22d6d81f6355428f"), "zerox_settler", Exchange),
    program(BASE, address!("5c9bdc801a600c006c388fc032dcb27355154cc9"), "zerox_settler", Exchange),
    program(BASE, address!("dc5d8200a030798bc6227240f68b4dd9542686ef"), "zerox_settler", Exchange),
    program(BASE, address!("7747f8d2a76bd6345cc29622a946a929647f2359"), "zerox_settler", Exchange),
    program(BASE, address!("f525ff21c370beb8d9f5c12dc0da2b583f4b949f"), "zerox_settler", Exchange),
    program(ETHEREUM, address!("11111254369792b2ca5d084ab5eea397ca8fa48b"), "oneinch_v1", Exchange),
    program(ETHEREUM, address!("11111112542d85b3ef69ae05771c2dccff4faa26"), "oneinch_v3", Exchange),
    program(ETHEREUM, address!("1111111254fb6c44bac0bed2854e76f90643097d"), "oneinch_v4", Exchange),
    program(ALL, address!("1111111254eeb25477b68fb85ed929f73a960582"), "oneinch_v5", Exchange),
    program(ALL, address!("111111125421ca6dc452d289314280a0f8842a65"), "oneinch_v6", Exchange),
    program(ETHEREUM_BSC, address!("def171fe48cf0115b1d80b88dc8eab59176fee57"), "paraswap_v5", Exchange),
    program(BASE, address!("59c7c832e96d2568bea6db468c1aadcbbda08a52"), "paraswap_v5", Exchange),
    program(ALL, address!("6a000f20005980200259b80c5102003040001068"), "paraswap_v6", Exchange),
    program(ETHEREUM, address!("881d40237659c251811cec9c364ef91dc08d300c"), "metamask_swap", Exchange),
    program(BSC, address!("1a1ec25dc08e98e5e93f1104b5e5cdd298707d31"), "metamask_swap", Exchange),
    program(ETHEREUM, address!("76f4eed9fe41262669d0250b2a97db79712ad855"), "odos_v1", Exchange),
    program(ETHEREUM, address!("cf5540fffcdc3d510b18bfca6d2b9987b0772559"), "odos_v2", Exchange),
    program(BASE, address!("19ceead7105607cd444f5ad10dd51356436095a1"), "odos_v2", Exchange),
    program(BSC, address!("89b8aa89fdd0507a99d334cbe3c808fafc7d850e"), "odos_v2", Exchange),
    program(ETHEREUM_BASE, address!("6352a56caadc4f1e25cd6c75970fa768a3304e64"), "openocean", Exchange),
    program(ALL, address!("6131b5fae19ea4f9d964eac0408e4408b66337b5"), "kyberswap", Exchange),
    program(ALL, address!("00000000009726632680fb29d3f7a9734e3010e2"), "rainbow", Exchange),
    program(ETHEREUM, address!("a6e941eab67569ca4522f70d343714ff51d571c4"), "magpie", Exchange),
    program(BASE, address!("ef42f78d25f4c681dcad2597fa04877ff802ef4b"), "magpie", Exchange),
    program(ALL, address!("1231deb6f5749ef6ce6943a275a1d3e7486f4eae"), "lifi", Exchange),

    // Orders.
    program(ALL, address!("9008d19f58aabd9ed0d60971565aa8510560ab41"), "cow_settlement", Exchange),
    program(ETHEREUM, address!("40a50cf069e992aa4536211b23f286ef88752187"), "cow_eth_flow", Order),
    program(ALL, address!("ba3cb449bd2b4adddbc894d8697f5170800eadec"), "cow_eth_flow", Order),

    // Positions and vaults of liquidity.
    program(ETHEREUM, address!("c36442b4a4522e871399cd717abdd847ab11fe88"), "uniswap_v3_positions", Liquidity),
    program(BASE, address!("03a520b32c04bf3beef7beb72e919cf822ed34f1"), "uniswap_v3_positions", Liquidity),
    program(BSC, address!("7b8a01b39d58278b5de7e48c8449c9f4f5170613"), "uniswap_v3_positions", Liquidity),
    program(ETHEREUM, address!("bd216513d74c8cf14cf4747e6aaa6420ff64ee9e"), "uniswap_v4_positions", Liquidity),
    program(BASE, address!("7c5f5a4bbd8fd63184577525326123b519429bdc"), "uniswap_v4_positions", Liquidity),
    program(BASE, address!("84715977598247125c3d6e2e85370d1f6fda1eaf"), "quickswap_v4_positions", Liquidity),
    program(BSC, address!("46a15b0b27311cedf172ab29e4f4766fbe7f4364"), "pancakeswap_v3_positions", Liquidity),
    program(BSC, address!("556b9306565093c855aea9ae92a594704c2cd59e"), "pancakeswap_master_chef_v3", Liquidity),
    program(ETHEREUM, address!("f403c135812408bfbe8713b5a23a04b3d48aae31"), "convex_booster", Liquidity),
    program(ETHEREUM, address!("c186fa914353c44b2e33ebe05f21846f1048beda"), "across_hub_pool", Liquidity),

    // Lending.
    program(ETHEREUM, address!("398ec7346dcd622edc5ae82352f02be94c62d119"), "aave_v1", Lend),
    program(ETHEREUM, address!("7d2768de32b0b80b7a3454c06bdac94a69ddc7a9"), "aave_v2", Lend),
    program(ETHEREUM, address!("87870bca3f3fd6335c3f4ce8392d69350b4fa4e2"), "aave_v3", Lend),
    program(ETHEREUM, address!("4e033931ad43597d96d6bcc25c280717730b58b1"), "aave_v3", Lend),
    program(BASE, address!("a238dd80c259a72e81d7e4664a9801593f98d1c5"), "aave_v3", Lend),
    program(BSC, address!("6807dc923806fe8fd134338eabca509979a7e0cb"), "aave_v3", Lend),
    program(BSC, address!("e63eaf6dab1045689bd3a332bc596ffcf54a5c88"), "aave_v3_native", Lend),
    program(ETHEREUM, address!("c13e21b648a5ee794902342038ff3adab66be987"), "sparklend", Lend),
    program(ETHEREUM, address!("4ddc2d193948926d02f9b1fe9e1daa0718270ed5"), "compound_v2", Lend),
    program(ETHEREUM, address!("5d3a536e4d6dbd6114cc1ead35777bab948e3643"), "compound_v2", Lend),
    program(ETHEREUM, address!("f859a1ad94bcf445a406b892ef0d3082f4174088"), "compound_v2", Lend),
    program(ETHEREUM, address!("c3d688b66703497daa19211eedff47f25384cdc3"), "compound_v3", Lend),
    program(ETHEREUM, address!("a397a8c2086c554b531c02e29f3291c9704b00c7"), "compound_v3_bulker", Lend),
    program(ETHEREUM_BASE, address!("bbbbbbbbbb9cc5e90e3b3af64bdaf62c37eeffcb"), "morpho", Lend),
    program(ETHEREUM, address!("4095f064b8d3c3548a3bebfd0bbfd04750e30077"), "morpho_bundler", Lend),
    program(ETHEREUM, address!("6566194141eefa99af43bb5aa71460ca2dc90245"), "morpho_bundler_3", Lend),
    program(BASE, address!("23055618898e202386e6c13955a58d3c68200bfb"), "morpho_bundler", Lend),
    program(BASE, address!("6bfd8137e702540e7a42b74178a4a49ba43920c4"), "morpho_bundler_3", Lend),
    program(ETHEREUM, address!("24179cd81c9e782a4096035f7ec97fb8b783e007"), "liquity_borrower", Lend),

    // Staking and locking.
    program(ETHEREUM, address!("00000000219ab540356cbb839cbe05303d7705fa"), "beacon_deposit", Stake),
    program(ETHEREUM, address!("66017d22b0f8556afdd19fc67041899eb65a21bb"), "liquity_stability_pool", Stake),
    program(ETHEREUM, address!("4f9fbb3f1e99b56e0fe2892e623ed36a76fc605d"), "liquity_staking", Stake),
    program(ETHEREUM, address!("807def5e7d057df05c796f4bc75c3fe82bd6eee1"), "liquity_v2_staking", Stake),
    program(ETHEREUM, address!("858646372cc42e1a627fce94aa7a7033e7cf075a"), "eigenlayer_strategies", Stake),
    program(ETHEREUM, address!("39053d51b77dc0d36036fc1fcc8cb819df8ef37a"), "eigenlayer_delegation", Stake),
    program(ETHEREUM, address!("91e677b07f7af907ec9a428aafa9fc14a0d3a338"), "eigenlayer_pods", Stake),
    program(ETHEREUM, address!("4da27a545c0c5b758a6ba100e3a049001de870f5"), "aave_staking", Stake),
    program(ETHEREUM, address!("1a88df1cfe15af22b3c4c783d4e6f7f9e0c1885d"), "gho_staking", Stake),
    program(ETHEREUM, address!("5f3b5dfeb7b28cdbd7faba78963ee202a494e2a2"), "curve_vote_escrow", Stake),
    program(ETHEREUM, address!("72a19342e8f1838460ebfccef09f6585e32db86e"), "convex_locker", Stake),
    program(ETHEREUM, address!("4f30a9d41b80ecc5b94306ab4364951ae3170210"), "pendle_vote_escrow", Stake),
    program(ETHEREUM, address!("9040e41ef5e8b281535a96d9a48acb8cfabd9a48"), "across_staking", Stake),
    program(ETHEREUM, address!("889edc2edab5f40e902b864ad4d7ade8e412f9b1"), "lido_withdrawals", Stake),
    program(BASE, address!("ebf418fe2512e7e6bd9b87a8f0f294acdc67e6b4"), "aerodrome_vote_escrow", Stake),

    // Other chains.
    program(ETHEREUM, address!("3154cf16ccdb4c6d922629664174b904d80f2c35"), "base_bridge", Bridge),
    program(ETHEREUM, address!("49048044d57e1c92a77f79988d21fa8faf74e97e"), "base_portal", Bridge),
    program(BASE, address!("4200000000000000000000000000000000000010"), "base_bridge", Bridge),
    program(BASE, address!("4200000000000000000000000000000000000007"), "base_messenger", Bridge),
    program(BASE, address!("4200000000000000000000000000000000000016"), "base_message_passer", Bridge),
    program(ETHEREUM, address!("99c9fc46f92e8a1c0dec1b1747d010903e884be1"), "optimism_bridge", Bridge),
    program(ETHEREUM, address!("beb5fc579115071764c7423a4f12edde41f106ed"), "optimism_portal", Bridge),
    program(ETHEREUM, address!("25ace71c97b33cc4729cf772ae268934f7ab5fa1"), "optimism_messenger", Bridge),
    program(ETHEREUM, address!("4dbd4fc535ac27206064b68ffcf827b0a60bab3f"), "arbitrum_inbox", Bridge),
    program(ETHEREUM, address!("72ce9c846789fdb6fc1f34ac4ad25dd9ef7031ef"), "arbitrum_gateway_router", Bridge),
    program(ETHEREUM, address!("0b9857ae2d4a3dbe74ffe1d7df045bb7f96e4840"), "arbitrum_outbox", Bridge),
    program(ETHEREUM, address!("760723cd2e632826c38fef8cd438a4cc7e7e1a40"), "arbitrum_outbox", Bridge),
    program(ETHEREUM, address!("f8b1378579659d8f7ee5f3c929c2f3e332e41fd6"), "scroll_gateway_router", Bridge),
    program(ETHEREUM, address!("6774bcbd5cecef1336b5300fb5186a12ddd8b367"), "scroll_messenger", Bridge),
    program(ETHEREUM, address!("abea9132b05a70803a4e85094fd0e1800777fbef"), "zksync_lite", Bridge),
    program(ETHEREUM, address!("4aa42145aa6ebf72e164c9bbc74fbd3788045016"), "xdai_bridge", Bridge),
    program(ETHEREUM, address!("88ad09518695c6c3712ac10a214be5109a655671"), "omnibridge", Bridge),
    program(ETHEREUM, address!("4c36d2919e407f0cc2ee3c993ccf8ac26d9ce64e"), "gnosis_messenger", Bridge),
    program(ETHEREUM, address!("a0c68c638235ee32657e8f720a23cec1bfc77c77"), "polygon_bridge", Bridge),
    program(ETHEREUM, address!("401f6c983ea34274ec46f84d70b31c151321188b"), "polygon_plasma", Bridge),
    program(ETHEREUM, address!("2a88696e0ffa76baa1338f2c74497cc013495922"), "polygon_plasma", Bridge),
    program(ETHEREUM, address!("b8901acb165ed027e32754e0ffe830802919727f"), "hop", Bridge),
    program(ETHEREUM, address!("3666f603cc164936c1b87e207f36beba4ac5f18a"), "hop", Bridge),
    program(ETHEREUM, address!("5c7bcd6e7de5423a257d81b442095a1a6ced35c5"), "across", Bridge),
    program(BASE, address!("09aea4b2242abc8bb4bb78d537a67a245a7bec64"), "across", Bridge),
    program(ETHEREUM, address!("8731d54e9d02c286767d56ac03e8037c07e01e98"), "stargate", Bridge),
    program(ALL, address!("3a23f943181408eac424116af7b7790c94cb97a5"), "socket", Bridge),
    program(ETHEREUM, address!("3ee18b2214aff97000d974cf647e7c347e8fa585"), "wormhole", Bridge),
    program(BSC, address!("b6f6d86a8f9879a9c87f643768d9efc38c1da6e7"), "wormhole", Bridge),

    // Single tokens.
    program(ETHEREUM, address!("00000000006c3852cbef3e08e8df289169ede581"), "seaport_1_1", NftMarket),
    program(ETHEREUM, address!("00000000000001ad428e4906ae43d8f9852d0dd6"), "seaport_1_4", NftMarket),
    program(ETHEREUM_BASE, address!("00000000000000adc04c56bf30ac9d3c0aaf14dc"), "seaport_1_5", NftMarket),
    program(ETHEREUM_BASE, address!("0000000000000068f116a894984e2db1123eb395"), "seaport_1_6", NftMarket),
    program(ETHEREUM, address!("000000000000ad05ccc4f10045630fb830b95127"), "blur", NftMarket),
    program(ETHEREUM, address!("b2ecfe4e4d61f8790bbb9de2d1259b9e2410cea5"), "blur", NftMarket),

    // Rewards and airdrops.
    program(ALL, address!("3ef3d8ba38ebe18db133cec108f4d14ce00dd9ae"), "merkl", Claim),
    program(ETHEREUM, address!("3d9819210a31b4961b30ef54be2aed79b9c9cd3b"), "compound_v2_rewards", Claim),
    program(ETHEREUM, address!("1b0e765f6224c21223aea2af16c1c46e38885a40"), "compound_v3_rewards", Claim),
    program(ETHEREUM, address!("330eefa8a787552dc5cad3c3ca644844b1e61ddb"), "morpho_rewards", Claim),
    program(BASE, address!("5400dbb270c956e8985184335a1c62aca6ce1333"), "morpho_rewards", Claim),
    program(ETHEREUM, address!("d061d61a4d941c39e5453435b6345dc261c2fce0"), "curve_minter", Claim),
    program(ETHEREUM, address!("a464e6dcda8ac41e03616f95f4bc98a13b8922dc"), "curve_fee_distributor", Claim),
    program(ETHEREUM, address!("378ba9b73309be80bf4c2c027aad799766a7ed5a"), "votium", Claim),
    program(ETHEREUM, address!("34590960981f98b55d236b70e8b4d9929ad89c9c"), "votium", Claim),

    // Anything else.
    program(ETHEREUM, address!("ae7ab96520de3a18e5e111b5eaab095312d7fe84"), "lido", Other),
    program(ETHEREUM, address!("7f39c581f595b53c5cb19bd0b3f8da6c935e2ca0"), "lido", Other),
    program(ETHEREUM, address!("283af0b28c62c092c9727f1ee09c02ca627eb7f5"), "ens", Other),
    program(ETHEREUM, address!("253553366da8546fc250f225fe3d25d0c782303b"), "ens", Other),
];
