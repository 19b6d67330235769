//! The table of programs.

use super::super::pubkey::Pubkey;
use super::Category::{self, *};
use super::Program;

const fn program(id: &str, name: &'static str, category: Category) -> Program {
    Program { id: Pubkey::literal(id), name, category }
}

#[rustfmt::skip]
pub(super) static PROGRAMS: &[Program] = &[
    program("11111111111111111111111111111111", "system", Base),
    program("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "spl_token", Base),
    program("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb", "spl_token_2022", Base),
    program("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL", "associated_token", Base),
    program("ComputeBudget111111111111111111111111111111", "compute_budget", Base),
    program("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr", "memo", Base),
    program("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo", "memo_v1", Base),
    program("AddressLookupTab1e1111111111111111111111111", "address_lookup_table", Base),
    program("Ed25519SigVerify111111111111111111111111111", "ed25519", Base),
    program("KeccakSecp256k11111111111111111111111111111", "secp256k1", Base),
    program("noopb9bkMVfRPU8AsbpTUg8AQkHtKwMYZiFUjNRtMmV", "noop", Base),

    program("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8", "raydium_amm_v4", Exchange),
    program("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK", "raydium_clmm", Exchange),
    program("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C", "raydium_cpmm", Exchange),
    program("whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc", "orca_whirlpool", Exchange),
    program("9W959DqEETiGZocYWCQPaJ6sBmUzgfxXfqGeTEdp3aQP", "orca_v2", Exchange),
    program("DjVE6JNiYqPL2QXyCUUh8rNjHrbz9hXHNYt99MQ59qw1", "orca_v1", Exchange),
    program("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo", "meteora_dlmm", Exchange),
    program("Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB", "meteora_damm_v1", Exchange),
    program("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG", "meteora_damm_v2", Exchange),
    program("dbcij3LWUppWqq96dh6gJWwBifmcGfLSB5D4DuSMaqN", "meteora_dbc", Exchange),
    program("6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P", "pumpfun", Exchange),
    program("pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA", "pumpswap", Exchange),
    program("9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin", "serum_v3", OrderBook),
    program("srmqPvymJeFKQ4zGQed1GFppgkRHL9kaELCbyksJtPX", "openbook_v1", OrderBook),
    program("opnb2LAfJYbRMAHHvqjCwQxanZn7ReEHp1k81EohpZb", "openbook_v2", OrderBook),
    program("PhoeNiXZ8ByJGLkxNfZRnkUfjvmuYqLR89jjFHGqdXY", "phoenix", OrderBook),
    program("9H6tua7jkLhdm3w8BvgpTn5LZNU7g4ZynDmCiNN3q6Rp", "humidifi", Exchange),
    program("SoLFiHG9TfgtdUXUjWAxi3LtvYuFyDLVhBWxdMZxyCe", "solfi", Exchange),
    program("ZERor4xhbUycZ6gb9ntrhqscUcZmAbQDjEAtCf4hbZY", "zerofi", Exchange),
    program("obriQD1zbpyLz95G5n7nJe6a4DPjpFwa5XYPoNm113y", "obric_v2", Exchange),
    program("HyaB3W9q6XdA5xwpU4XnSZV94htfmbmqJXZcEbRaJutt", "invariant", Exchange),
    program("2wT8Yq49kHgDzXuPxZSaeLaH1qbmGXtEyPy64bL7aD3c", "lifinity_v2", Exchange),
    program("SSwpkEEcbUqx4vtoEByFjSkhKdCT862DNVb52nZg1UZ", "saber", Exchange),
    program("SSwapUtytfBdBn1b9NUGG6foMVPtcWgpRU32HToDUZr", "saros", Exchange),
    program("AMM55ShdkoGRB5jVYPjWziwk8m5MpwyDgsMWHaMSQWH6", "aldrin", Exchange),
    program("MoonCVVNZFSYkqNXP6bxHLPL6QQJiMagDL3qcqUQTrG", "moonit", Exchange),

    program("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4", "jupiter_v6", Router),
    program("JUP4Fb2cqiRUcaTHdrPC8h2gNsA2ETXiPDD33WcGuJB", "jupiter_v4", Router),
    program("JUP2jxvXaqu7NQY1GmNF4m1vodw12LVXYxbFL2uJvfo", "jupiter_v2", Router),
    program("routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS", "raydium_route", Router),
    program("6m2CDdhRgxpH4WjvdzxAYbGxwdGUz5MziiL5jek2kBma", "okx_dex", Router),
    program("BSfD6SHZigAfDWSjzD5Q41jw8LmKwtmjskPH9XW1mrRW", "photon", Router),

    program("jupoNjAxXgZ4rjzxzPMP4oxduvQsQtZzyknqvzYNrNu", "jupiter_limit", Order),
    program("j1o2qRpjcyUwEvwtcfhEQefh773ZgjxcVRry7LDqg5X", "jupiter_limit_v2", Order),
    program("DCA265Vj8a9CEuX1eb1LWRnDT7uK6q1xMipnNyatn23M", "jupiter_dca", Order),

    program("jupr81YtYssSyPt8jbnGuiWon5f6x9TcDEFxYe3Bdzi", "jupiter_lend", Lend),
    program("jup3YeL8QhtSx1e253b2FDvsMNC87fDrgQZivbrndc9", "jupiter_lend_earn", Lend),
    program("KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD", "kamino_lend", Lend),
    program("PERPHjGBqRHArX4DySjwM6UJHiR3sWAatqfdBS2qQJu", "jupiter_perps", Perps),
    program("dRiftyHA39MWEi3m9aunc5MzRF1JYuBsbn6VPcn33UH", "drift_v2", Perps),
    program("mv3ekLzLbnVPNxjSKvqBpU3ZeZXPQdEC3bp5MDEBG68", "mango_v3", Perps),

    program("Stake11111111111111111111111111111111111111", "stake", Stake),
    program("Vote111111111111111111111111111111111111111", "vote", Base),
    program("SPoo1Ku8WFXoNDMHPsrGSTSG1Y47rzgn41SLUNakuHy", "spl_stake_pool", LiquidStake),
    program("MarBmsSgKXdrN1egZf5sqe1TMai9K1rChYNDJgjq7aD", "marinade", LiquidStake),
    program("stkitrT1Uoy18Dk1fTrgPw8W6MVzoCfYoAFT4MLsmhq", "sanctum_router", LiquidStake),

    program("24Uqj9JCLxUeoC3hGfh5W3s9FM9uCHDS2SG3LYwBpyTi", "meteora_vault", Vault),
    program("CCTPiPYPc6AsJuwueEnWgSgucamXDZwBd53dQ11YiKX3", "cctp_token_messenger", Bridge),

    program("M2mx93ekt1fmXSVkTrUL9xVFHkmME8HTUi5Cyc5aF7K", "magic_eden_v2", NftMarket),
    program("metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s", "metaplex_metadata", Nft),
    program("BGUMAp9Gq7iTEuizy4pqaxsTyUCBK68MDfK752saRPUY", "bubblegum", Nft),
    program("cmtDvXumGCrqC1Age74AVPhSRVXJMd8PJS91L8KbNCK", "account_compression", Nft),

    program("meRjbQXFNf5En86FXT2YPz1dQzLj4Yb3xK8u1MVgqpb", "jupiter_merkle_distributor", Claim),
    program("SAGE2HAwep459SNq61LHvjxPk4pLPEJLoMETef7f7EE", "star_atlas_sage", Other),

    program("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH", "pyth_oracle", Oracle),
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
