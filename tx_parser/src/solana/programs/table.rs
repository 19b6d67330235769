//! The table of programs.
//!
//! Ids and names come from the programs' own documentation and from public explorers. A program that
//! is not sure to be what its name says is not listed: an unknown program only costs a label.

use super::Category::{self, *};
use super::Program;
use crate::solana::pubkey::Pubkey;

const fn program(id: &str, name: &'static str, category: Category) -> Program {
    Program { id: Pubkey::literal(id), name, category }
}

#[rustfmt::skip]
pub(super) static PROGRAMS: &[Program] = &[
    // Present in any transaction, never a venue.
    program("11111111111111111111111111111111", "system", Base),
    program("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "spl_token", Base),
    program("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb", "spl_token_2022", Base),
    program("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL", "associated_token", Base),
    program("ComputeBudget111111111111111111111111111111", "compute_budget", Base),
    program("AddressLookupTab1e1111111111111111111111111", "address_lookup_table", Base),
    program("Config1111111111111111111111111111111111111", "config", Base),
    program("Vote111111111111111111111111111111111111111", "vote", Base),
    program("BPFLoader2111111111111111111111111111111111", "bpf_loader_2", Base),
    program("BPFLoaderUpgradeab1e11111111111111111111111", "bpf_upgradeable_loader", Base),
    program("Ed25519SigVerify111111111111111111111111111", "ed25519", Base),
    program("KeccakSecp256k11111111111111111111111111111", "secp256k1", Base),
    program("Secp256r1SigVerify1111111111111111111111111", "secp256r1", Base),
    program("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr", "memo", Base),
    program("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo", "memo_v1", Base),
    program("noopb9bkMVfRPU8AsbpTUg8AQkHtKwMYZiFUjNRtMmV", "noop", Base),
    program("L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95", "lighthouse", Base),
    program("GDDMwNyyx8uB6zrqwBFHjLLG3TBYk2F8Az4yrQC5RzMp", "sequence_enforcer", Base),

    // Pools, bonding curves, market makers with an own program.
    program("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8", "raydium_amm_v4", Exchange),
    program("5quBtoiQqxF9Jv6KYKctB59NT3gtJD2Y65kdnB1Uev3h", "raydium_stable", Exchange),
    program("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK", "raydium_clmm", Exchange),
    program("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C", "raydium_cpmm", Exchange),
    program("LanMV9sAd7wArD4vJFi2qDdfnVhFxYSUg6eADduJ3uj", "raydium_launchlab", Exchange),
    program("RVKd61ztZW9GUwhRbbLoYVRE5Xf1B2tVscKqwZqXgEr", "raydium_amm_v2", Exchange),
    program("27haf8L6oxUeXrHrgEgsexjSY5hbVUWEmvv9Nyxg8vQv", "raydium_amm_v3", Exchange),
    program("whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc", "orca_whirlpool", Exchange),
    program("9W959DqEETiGZocYWCQPaJ6sBmUzgfxXfqGeTEdp3aQP", "orca_v2", Exchange),
    program("DjVE6JNiYqPL2QXyCUUh8rNjHrbz9hXHNYt99MQ59qw1", "orca_v1", Exchange),
    program("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo", "meteora_dlmm", Exchange),
    program("Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB", "meteora_damm_v1", Exchange),
    program("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG", "meteora_damm_v2", Exchange),
    program("dbcij3LWUppWqq96dh6gJWwBifmcGfLSB5D4DuSMaqN", "meteora_dbc", Exchange),
    program("6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P", "pumpfun", Exchange),
    program("pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA", "pumpswap", Exchange),
    program("MoonCVVNZFSYkqNXP6bxHLPL6QQJiMagDL3qcqUQTrG", "moonit", Exchange),
    program("HEAVENoP2qxoeuF8Dj2oT1GHEnu49U5mJYkdeC8BAX2o", "heaven", Exchange),
    program("boop8hVGQGqehUK2iVEMEnMrL5RbjywRzHKBmBE7ry4", "boop", Exchange),
    program("9H6tua7jkLhdm3w8BvgpTn5LZNU7g4ZynDmCiNN3q6Rp", "humidifi", Exchange),
    program("SoLFiHG9TfgtdUXUjWAxi3LtvYuFyDLVhBWxdMZxyCe", "solfi", Exchange),
    program("SV2EYYJyRz2YhfXwXnhNAevDEui5Q6yrfyo13WtupPF", "solfi_v2", Exchange),
    program("ZERor4xhbUycZ6gb9ntrhqscUcZmAbQDjEAtCf4hbZY", "zerofi", Exchange),
    program("obriQD1zbpyLz95G5n7nJe6a4DPjpFwa5XYPoNm113y", "obric_v2", Exchange),
    program("TessVdML9pBGgG9yGks7o4HewRaXVAMuoVj4x83GLQH", "tessera_v", Exchange),
    program("goonERTdGsjnkZqWuVjs73BZ3Pb9qoCUdBUL17BnS5j", "goonfi", Exchange),
    program("BiSoNHVpsVZW2F7rx2eQ59yQwKxzU5NvBcmKshCSUypi", "bisonfi", Exchange),
    program("ALPHAQmeA7bjrVuccPsYPiCvsi428SNwte66Srvs4pHA", "alphaq", Exchange),
    program("AQU1FRd7papthgdrwPTTq5JacJh8YtwEXaBfKU3bTz45", "aquifer", Exchange),
    program("HpNfyc2Saw7RKkQd8nEL4khUcuPhQ7WwY1B2qjx8jxFq", "pancakeswap_clmm", Exchange),
    program("REALQqNEomY6cQGZJUGwywTBD2UmDT32rZcNnfxQ5N2", "byreal_clmm", Exchange),
    program("HyaB3W9q6XdA5xwpU4XnSZV94htfmbmqJXZcEbRaJutt", "invariant", Exchange),
    program("EewxydAPCCVuNEyrVN68PuSYdQ7wKn27V9Gjeoi8dy3S", "lifinity_v1", Exchange),
    program("2wT8Yq49kHgDzXuPxZSaeLaH1qbmGXtEyPy64bL7aD3c", "lifinity_v2", Exchange),
    program("SSwpkEEcbUqx4vtoEByFjSkhKdCT862DNVb52nZg1UZ", "saber", Exchange),
    program("DecZY86MU5Gj7kppfUCEmd4LbXXuyZH1yHaP2NTqdiZB", "saber_decimals", Exchange),
    program("SSwapUtytfBdBn1b9NUGG6foMVPtcWgpRU32HToDUZr", "saros", Exchange),
    program("MERLuDFBMmsHnsBPZw2sDQZHvXFMwp8EdjudcU2HKky", "mercurial", Exchange),
    program("AMM55ShdkoGRB5jVYPjWziwk8m5MpwyDgsMWHaMSQWH6", "aldrin", Exchange),
    program("CURVGoZn8zycx6FXwwevgBTB2gVvdbGTEpvMJDbgs2t4", "aldrin_v2", Exchange),
    program("CLMM9tUoggJu2wagPkkqs9eFG4BWhVBZWkP1qv3Sp7tR", "crema", Exchange),
    program("GAMMA7meSFWaBXF25oSUgmGRwaW6sCMFLmBNiMSdbHVT", "goosefx_gamma", Exchange),
    program("DEXYosS6oEGvk8uCDayvwEZz4qEyDJRf9nFgYCaqPMTm", "onedex", Exchange),
    program("H8W3ctz92svYg6mkn1UtGfu2aQr2fnUFHM1RhScEtQDt", "cropper_whirlpool", Exchange),
    program("CTMAxxk34HjKWxQ3QLZK1HpaLXmBveao3ESePXbiyfzh", "cropper", Exchange),
    program("FLUXubRmkEi2q6K3Y9kBPg9248ggaZVsoSFhtJHSrm1X", "fluxbeam", Exchange),
    program("BSwp6bEBihVLdqJRKGgzjcGLHkcTuzmSo1TQkHepzH8p", "bonkswap", Exchange),
    program("swapNyd8XiQwJ6ianp9snpu4brUqFxadzvHebnAXjJZ", "stabble_stable", Exchange),
    program("swapFpHZwjELNnjvThjajtiVmkz3yPQEHjLtka2fwHW", "stabble_weighted", Exchange),
    program("SSwpMgqNDsyV7mAgN9ady4bDVu5ySjmmXejXvy2vLt1", "step_swap", Exchange),
    program("SWiMDJYFUGj6cPrQ6QYYYWZtvXQdRChSVAygDZDsCHC", "swim_swap", Exchange),
    program("SwaPpA9LAaLfeLi3a68M4DjnLqgtticKg6CnyNwgAC8", "spl_token_swap", Exchange),
    program("Dooar9JkhdZ7J3LHN3A7YCuoGRUggXhQaG4kijfLGU2j", "stepn_dex", Exchange),

    // Exchanges where funds wait in the book.
    program("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin", "serum_v3", OrderBook),
    program("EUqojwWA2rd19FZrzeBncJsm38Jm1hEhE3zsmX3bRc2o", "serum_v2", OrderBook),
    program("BJ3jrUzddfuSrZHXSCxMUUQsjKEyLmuuyZebkcaFp2fg", "serum_v1", OrderBook),
    program("srmqPvymJeFKQ4zGQed1GFppgkRHL9kaELCbyksJtPX", "openbook_v1", OrderBook),
    program("opnb2LAfJYbRMAHHvqjCwQxanZn7ReEHp1k81EohpZb", "openbook_v2", OrderBook),
    program("PhoeNiXZ8ByJGLkxNfZRnkUfjvmuYqLR89jjFHGqdXY", "phoenix", OrderBook),
    program("MNFSTqtC93rEfYHB6hF82sKdZpUDFWkViLByLd1k1Ms", "manifest", OrderBook),

    // Routers over exchanges, trading terminals and bots.
    program("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4", "jupiter_v6", Router),
    program("JUP4Fb2cqiRUcaTHdrPC8h2gNsA2ETXiPDD33WcGuJB", "jupiter_v4", Router),
    program("JUP3c2Uh3WA4Ng34tw6kPd2G4C5BB21Xo36Je1s32Ph", "jupiter_v3", Router),
    program("JUP2jxvXaqu7NQY1GmNF4m1vodw12LVXYxbFL2uJvfo", "jupiter_v2", Router),
    program("61DFfeTKM7trxYcPQCM78bJ794ddZprZpAwAnLiwTpYH", "jupiter_rfq", Router),
    program("routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS", "raydium_route", Router),
    program("6m2CDdhRgxpH4WjvdzxAYbGxwdGUz5MziiL5jek2kBma", "okx_dex", Router),
    program("proVF4pMXVaYqmy4NjniPh4pqKNfMmsihgd4wdkCX3u", "okx_dex_v2", Router),
    program("DF1ow4tspfHX9JwWJsAb9epbkA8hmpSEAtxXy1V27QBH", "dflow_v4", Router),
    program("T1TANpTeScyeqVzzgNViGDNrkQ6qHz9KrSBS4aNXvGT", "titan", Router),
    program("22Y43yTVxuUkoRKdm9thyRhQ3SdgQS7c7kB6UNCiaczD", "serum_swap", Router),
    program("Crt7UoUR6QgrFrN7j8rmSQpUTNWNSitSwWvsWGf1qZ5t", "saber_router", Router),
    program("BSfD6SHZigAfDWSjzD5Q41jw8LmKwtmjskPH9XW1mrRW", "photon", Router),
    program("AxiomfHaWDemCFBLBayqnEnNwE6b7B2Qz3UmzMpgbMG6", "axiom", Router),
    program("AxiomxSitiyXyPjKgJ9XSrdhsydtZsskZTEDam3PxKcC", "axiom_v2", Router),
    program("FLASHX8DrLbgeR8FcfNV1F5krxYcYMUdBkrP1EPBtxB9", "axiom_flash", Router),
    program("GMgnVFR8Jb39LoXsEVzb3DvBy3ywCmdmJquHUy1Lrkqb", "gmgn", Router),
    program("BANANAjs7FJiPQqJTGFzkZJndT9o7UmKiYYGaJz6frGu", "banana_gun", Router),
    program("b1oomGGqPKGD6errbyfbVMBuzSC8WtAAYo8MwNafWW1", "bloom", Router),
    program("MaestroAAe9ge5HTc64VbBQZ6fP77pwvrhM8i1XWSAx", "maestro", Router),
    program("NoVA1TmDUqksaj2hB1nayFkPysjJbFiU76dT4qPw2wm", "nova", Router),
    program("9Fox6i7oT8p4qHn76Qj3dks8RRMGsXQyfMSBScA5yVyX", "padre", Router),
    program("minTcHYRLVPubRK8nt6sqe2ZpWrGDLQoNLipDJCGocY", "mintech", Router),

    // Limit and recurring orders that somebody else executes.
    program("jupoNjAxXgZ4rjzxzPMP4oxduvQsQtZzyknqvzYNrNu", "jupiter_limit", Order),
    program("j1o2qRpjcyUwEvwtcfhEQefh773ZgjxcVRry7LDqg5X", "jupiter_limit_v2", Order),
    program("DCA265Vj8a9CEuX1eb1LWRnDT7uK6q1xMipnNyatn23M", "jupiter_dca", Order),
    program("VALaaymxQh2mNy2trH9jUqHT1mTow76wpTcGmSWSwJe", "jupiter_va", Order),

    // Lending and borrowing.
    program("jupr81YtYssSyPt8jbnGuiWon5f6x9TcDEFxYe3Bdzi", "jupiter_lend", Lend),
    program("jup3YeL8QhtSx1e253b2FDvsMNC87fDrgQZivbrndc9", "jupiter_lend_earn", Lend),
    program("jupeiUmn818Jg1ekPURTpr4mFo29p46vygyykFJ3wZC", "jupiter_lend_liquidity", Lend),
    program("jupgfSgfuAXv4B6R2Uxu85Z1qdzgju79s6MfZekN6XS", "jupiter_lend_flashloan", Lend),
    program("KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD", "kamino_lend", Lend),
    program("MFv2hWf31Z9kbCa1snEPYctwafyhdvnV7FZnsebVacA", "marginfi_v2", Lend),
    program("So1endDq2YkqhipRh3WViPa8hdiSpxWy6z3Z6tMCpAo", "solend", Lend),
    program("Port7uDYB3wk6GJAw4KT1WpTeMtSu9bTcChBHkX2LfR", "port_finance", Lend),
    program("LendZqTs7gn5CTSJU1jWKhKuVpjJGom45nnwPb2AMTi", "spl_lending", Lend),

    // Perpetual futures and margin trading.
    program("PERPHjGBqRHArX4DySjwM6UJHiR3sWAatqfdBS2qQJu", "jupiter_perps", Perps),
    program("dRiftyHA39MWEi3m9aunc5MzRF1JYuBsbn6VPcn33UH", "drift_v2", Perps),
    program("mv3ekLzLbnVPNxjSKvqBpU3ZeZXPQdEC3bp5MDEBG68", "mango_v3", Perps),
    program("4MangoMjqJ2firMokCjjGgoK8d4MXcrgL7XJaL3w6fVg", "mango_v4", Perps),
    program("ZETAxsqBRek56DhiGXrn75yj2NHU3aYUnxvHXpkf3aD", "zeta", Perps),
    program("zDEXqXEG7gAyxb1Kg9mK5fPnUdENCGKzWrM21RMdWRq", "zeta_dex", Perps),

    // Native staking.
    program("Stake11111111111111111111111111111111111111", "stake", Stake),

    // SOL against a token that stands for staked SOL.
    program("SPoo1Ku8WFXoNDMHPsrGSTSG1Y47rzgn41SLUNakuHy", "spl_stake_pool", LiquidStake),
    program("SP12tWFxD9oJsVWNavTTBZvMbA6gkAmxtVgxdqvyvhY", "sanctum_spl_stake_pool", LiquidStake),
    program("SPMBzsVUuoHA4Jm6KunbsotaahvVikZs1JyTW6iJvbn", "sanctum_spl_multi_stake_pool", LiquidStake),
    program("MarBmsSgKXdrN1egZf5sqe1TMai9K1rChYNDJgjq7aD", "marinade", LiquidStake),
    program("stkitrT1Uoy18Dk1fTrgPw8W6MVzoCfYoAFT4MLsmhq", "sanctum_router", LiquidStake),
    program("5ocnV1qiCgaQR8Jb8xWnVbApfaygJ8tNoZfgPwsgx9kx", "sanctum_infinity", LiquidStake),
    program("unpXTU2Ndrc7WWNyEhQWe4udTzSibLPi25SXv2xbCHQ", "sanctum_unstake", LiquidStake),
    program("CrX7kMhLC3cSsXJdT7JDgqrRVWGnUpX3gfEfxxU2NVLi", "solido", LiquidStake),

    // Liquidity and farms kept for depositors.
    program("24Uqj9JCLxUeoC3hGfh5W3s9FM9uCHDS2SG3LYwBpyTi", "meteora_vault", Vault),
    program("vo1tWgqZMjG61Z2T9qUaMYKqZ75CYzMuaZ2LZP1n7HV", "stabble_vault", Vault),
    program("6LtLpnUFNByNXLyCoK9wA2MykKAmQNZKBdY8s47dehDc", "kamino_liquidity", Vault),
    program("FarmsPZpWu9i7Kky8tPN37rs2TpmMrAZrC7S7vJa91Hr", "kamino_farms", Vault),
    program("vAuLTsyrvSfZRuRB3XgvkPwNGgYSs9YRYymVebLKoxR", "drift_vaults", Vault),
    program("82yxjeMsvaURa4MbZZ7WZZHfobirZYkH1zF8fmeGtyaQ", "orca_aquafarm", Vault),
    program("EhhTKczWMGQt46ynNeRX1WfeagwwJd7ufHvCDjRxjo5Q", "raydium_staking", Vault),
    program("QMNeHCGYnLVDn1icRAfQZpjPLBNkfGbSKRB83G5d8KB", "quarry_mine", Vault),
    program("QMMD16kjauP5knBwxNUJRZ1Z5o3deBuFrqVjBVmmqto", "quarry_merge_mine", Vault),

    // Transfers to and from other chains.
    program("CCTPiPYPc6AsJuwueEnWgSgucamXDZwBd53dQ11YiKX3", "cctp_token_messenger", Bridge),
    program("CCTPmbSD7gX1bxKPAmg77w8oFzNFpaQiQUWD43TKaecd", "cctp_message_transmitter", Bridge),
    program("CCTPV2vPZJS2u2BBsUoscuikbYjnpFmbFsvVuJdgUMQe", "cctp_token_messenger_v2", Bridge),
    program("CCTPV2Sm4AdWt5296sk4P66VBZ7bEhcARwFaaS9YPbeC", "cctp_message_transmitter_v2", Bridge),
    program("worm2ZoG2kUd4vFXhvjh93UUH596ayRfgQ2MgjNMTth", "wormhole_core", Bridge),
    program("wormDTUJ6AWPNvk59vGQbDvGJmqbDTdgWgAqcLBCgUb", "wormhole_token_bridge", Bridge),
    program("WnFt12ZrnzZrFZkt2xsNsaNWoQribnuQ5B5FrDbwDhD", "wormhole_nft_bridge", Bridge),
    program("src5qyZHqTqecJV4aY6Cb6zDZLMDzrDKKezs22MPHr4", "debridge_dln_source", Bridge),
    program("dst5MGcFPoBeREFAA5E3tU5ij8m5uVYwkzkSAbsLbNo", "debridge_dln_destination", Bridge),
    program("DLv3NggMiSaef97YCkew5xKUHDh13tVGZ7tydt3ZeAru", "across_spoke", Bridge),
    program("BLZRi6frs4X4DNLw56V4EXai1b6QVESN1BhHBTYM9VcY", "mayan_swift", Bridge),
    program("BrdgN2RPzEMWF96ZbnnJaUtQDQx7VRXYaHHbYCBvceWB", "allbridge", Bridge),

    // Markets for single tokens.
    program("M2mx93ekt1fmXSVkTrUL9xVFHkmME8HTUi5Cyc5aF7K", "magic_eden_v2", NftMarket),
    program("TSWAPaqyCSx2KABk68Shruf4rp7CxcNi8hAsbdwmHbN", "tensor_swap", NftMarket),
    program("TCMPhJdwDryooaGtiocG1u3xcYbRpiJzb283XfCZsDp", "tensor_cnft", NftMarket),
    program("hausS13jsjafwWwGqZTUQRmWyvyxn9EQpqMwV1PBBmk", "auction_house", NftMarket),
    program("CJsLwbP1iu5DuUikHEJnLfANgKy6stB2uFgvBBHoyxwz", "solanart", NftMarket),

    // Metadata, compressed tokens, first sales.
    program("metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s", "metaplex_metadata", Nft),
    program("CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d", "metaplex_core", Nft),
    program("BGUMAp9Gq7iTEuizy4pqaxsTyUCBK68MDfK752saRPUY", "bubblegum", Nft),
    program("cmtDvXumGCrqC1Age74AVPhSRVXJMd8PJS91L8KbNCK", "account_compression", Nft),
    program("cndy3Z4yapfJBmL3ShUp5exZKqR3z33thTzeNMm2gRZ", "candy_machine_v2", Nft),
    program("CndyV3LdqHUfDLmE5naZjVN8rBZz4tqhdefbAnjHG3JR", "candy_machine_v3", Nft),

    // Distribution of airdrops.
    program("meRjbQXFNf5En86FXT2YPz1dQzLj4Yb3xK8u1MVgqpb", "jupiter_merkle_distributor", Claim),
    program("MRKGLMizK9XSTaD1d1jbVkdHZbQVCSnPpYiTw9aKQv8", "saber_merkle_distributor", Claim),

    // Prices published on the chain.
    program("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH", "pyth_oracle", Oracle),
    program("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ", "pyth_receiver", Oracle),
    program("pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT", "pyth_push", Oracle),
    program("DtmE9D2CSB4L5D6A15mraeEjrGMm6auWVzgaD8hK2tZM", "switchboard_v1", Oracle),
    program("SW1TCH7qEPTdLsDHRgPuMQjbQxKdH2aBStViMFnt64f", "switchboard_v2", Oracle),
    program("SBondMDrcV3K4kxZR1HNVT7osZxAHVHgYXL5Ze1oMUv", "switchboard_on_demand", Oracle),
    program("sbattyXrzedoNATfc4L31wC9Mhxsi1BmFhTiN8gDshx", "switchboard_attestation", Oracle),
    program("cjg3oHmg9uuPsP8D6g29NWvhySJkdYdAo9D25PRbKXJ", "chainlink_ocr2", Oracle),
    program("HEvSKofvBgfaexv23kMabbYqxasxU3mQ4ibBMEmJWHny", "chainlink_store", Oracle),
    program("Gt9S41PtjR58CbG9JhJ3J6vxesqrNAswbWYbLNTMZA3c", "chainlink_data_streams", Oracle),
    program("jupnw4B6Eqs7ft6rxpzYLJZYSnrpRgPcr589n5Kv4oc", "jupiter_lend_oracle", Oracle),

    // Anything else with a name.
    program("SMPLecH534NA9acpos4G6x7uf3LWbCAwZQE9e8ZekMu", "squads_v3", Other),
    program("SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf", "squads_v4", Other),
    program("strmRqUCoQUgGUan5YhzUZa6KqdzwX5L6FpUxfmKg5m", "streamflow", Other),
    program("LocpQgucEQHbqNABEYvBvwoxCPsSbG91A1QaQhQQqjn", "jupiter_lock", Other),
    program("T1pyyaTNZsKv2WcRAB8oVnk93mLJw2XzjtVYqCsaHqt", "jito_tip_payment", Other),
    program("pfeeUxB6jkeY1Hxd7CsFCAjcbHA9rWtchMGdZ6VojVZ", "pump_fees", Other),
    program("namesLPneVptA9Z5rqUDD9tMTWEJwofgaYwp8cawRkX", "name_service", Other),
    program("SAGE2HAwep459SNq61LHvjxPk4pLPEJLoMETef7f7EE", "star_atlas_sage", Other),
    program("credacwrBVewZAgCwNgowCSMbCiepuesprUWPBeLTSg", "helium_data_credits", Other),
    program("hemABtqNUst4MmqsVcuN217ZzBspENbGt9uueSe5jts", "helium_entity_manager", Other),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_id_and_no_name_is_listed_twice() {
        let ids: BTreeSet<_> = PROGRAMS.iter().map(|program| program.id).collect();
        assert_eq!(ids.len(), PROGRAMS.len());
        let names: BTreeSet<_> = PROGRAMS.iter().map(|program| program.name).collect();
        assert_eq!(names.len(), PROGRAMS.len());
    }
}
