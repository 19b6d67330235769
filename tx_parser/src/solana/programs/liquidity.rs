//! Instructions of exchanges that add or remove liquidity rather than trade.
//!
//! Needed where no liquidity token is minted or burned: a position that pays out one asset looks
//! like any other receipt. Anchor programs tag an instruction with the first eight bytes of
//! SHA-256(`"global:<name>"`), the older ones with one byte.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::solana::pubkey::Pubkey;

/// How a program tags the instructions that change liquidity.
enum Tags {
    /// Names of Anchor instructions.
    Anchor(&'static [&'static str]),
    /// First bytes.
    Byte(&'static [u8]),
}

const fn entry(id: &str, tags: Tags) -> (Pubkey, Tags) {
    (Pubkey::literal(id), tags)
}

/// Orca's pools and their forks.
const WHIRLPOOL: Tags = Tags::Anchor(&[
    "open_position",
    "open_position_with_metadata",
    "open_position_with_token_extensions",
    "open_bundled_position",
    "close_position",
    "close_position_with_token_extensions",
    "close_bundled_position",
    "increase_liquidity",
    "increase_liquidity_v2",
    "decrease_liquidity",
    "decrease_liquidity_v2",
    "collect_fees",
    "collect_fees_v2",
    "collect_reward",
    "collect_reward_v2",
]);

/// Raydium's concentrated pools and their forks.
const CONCENTRATED: Tags = Tags::Anchor(&[
    "open_position",
    "open_position_v2",
    "open_position_with_token22_nft",
    "close_position",
    "increase_liquidity",
    "increase_liquidity_v2",
    "decrease_liquidity",
    "decrease_liquidity_v2",
]);

static LISTED: &[(Pubkey, Tags)] = &[
    // orca_whirlpool
    entry("whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc", WHIRLPOOL),
    // cropper_whirlpool
    entry("H8W3ctz92svYg6mkn1UtGfu2aQr2fnUFHM1RhScEtQDt", WHIRLPOOL),
    // raydium_clmm
    entry("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK", CONCENTRATED),
    // pancakeswap_clmm
    entry("HpNfyc2Saw7RKkQd8nEL4khUcuPhQ7WwY1B2qjx8jxFq", CONCENTRATED),
    // byreal_clmm
    entry("REALQqNEomY6cQGZJUGwywTBD2UmDT32rZcNnfxQ5N2", CONCENTRATED),
    // invariant
    entry(
        "HyaB3W9q6XdA5xwpU4XnSZV94htfmbmqJXZcEbRaJutt",
        Tags::Anchor(&["create_position", "remove_position", "claim_fee"]),
    ),
    // raydium_cpmm
    entry(
        "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C",
        Tags::Anchor(&["initialize", "initialize_with_permission", "deposit", "withdraw"]),
    ),
    // raydium_amm_v4: initialize2, deposit, withdraw
    entry("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8", Tags::Byte(&[1, 3, 4])),
    // meteora_dlmm
    entry(
        "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo",
        Tags::Anchor(&[
            "initialize_position",
            "initialize_position2",
            "initialize_position_pda",
            "initialize_position_by_operator",
            "close_position",
            "close_position2",
            "close_position_if_empty",
            "add_liquidity",
            "add_liquidity2",
            "add_liquidity_by_weight",
            "add_liquidity_by_strategy",
            "add_liquidity_by_strategy2",
            "add_liquidity_by_strategy_one_side",
            "add_liquidity_one_side",
            "add_liquidity_one_side_precise",
            "add_liquidity_one_side_precise2",
            "remove_liquidity",
            "remove_liquidity2",
            "remove_all_liquidity",
            "remove_liquidity_by_range",
            "remove_liquidity_by_range2",
            "rebalance_liquidity",
            "claim_fee",
            "claim_fee2",
            "claim_reward",
            "claim_reward2",
        ]),
    ),
    // meteora_damm_v1
    entry(
        "Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB",
        Tags::Anchor(&[
            "add_balance_liquidity",
            "add_imbalance_liquidity",
            "bootstrap_liquidity",
            "remove_balance_liquidity",
            "remove_liquidity_single_side",
            "claim_fee",
        ]),
    ),
    // meteora_damm_v2
    entry(
        "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG",
        Tags::Anchor(&[
            "create_position",
            "close_position",
            "add_liquidity",
            "remove_liquidity",
            "remove_all_liquidity",
            "claim_position_fee",
            "claim_reward",
        ]),
    ),
    // pumpswap
    entry(
        "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA",
        Tags::Anchor(&["create_pool", "deposit", "withdraw"]),
    ),
    // orca_v1, orca_v2 (token-swap): initialize, deposit and withdraw of both or one token
    entry("DjVE6JNiYqPL2QXyCUUh8rNjHrbz9hXHNYt99MQ59qw1", Tags::Byte(&[0, 2, 3, 4, 5])),
    entry("9W959DqEETiGZocYWCQPaJ6sBmUzgfxXfqGeTEdp3aQP", Tags::Byte(&[0, 2, 3, 4, 5])),
    // saber (stable swap): deposit, withdraw, withdraw one
    entry("SSwpkEEcbUqx4vtoEByFjSkhKdCT862DNVb52nZg1UZ", Tags::Byte(&[2, 3, 4])),
];

/// Tags of one program; one-byte tags have the other bytes zero and are compared by that byte.
struct TagSet {
    by_byte: bool,
    tags: HashSet<[u8; 8]>,
}

static TAGS: LazyLock<HashMap<Pubkey, TagSet>> = LazyLock::new(|| {
    let set = |tags: &Tags| match tags {
        Tags::Anchor(names) => {
            TagSet { by_byte: false, tags: names.iter().map(|name| anchor_tag(name)).collect() }
        }
        Tags::Byte(bytes) => TagSet {
            by_byte: true,
            tags: bytes.iter().map(|byte| [*byte, 0, 0, 0, 0, 0, 0, 0]).collect(),
        },
    };
    LISTED.iter().map(|(id, tags)| (*id, set(tags))).collect()
});

fn anchor_tag(name: &str) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(format!("global:{name}")).into();
    let mut tag = [0; 8];
    tag.copy_from_slice(&hash[..8]);
    tag
}

/// Whether the tags of this program are known.
pub(super) fn is_listed(id: &Pubkey) -> bool {
    TAGS.contains_key(id)
}

/// Whether this instruction adds, removes or harvests liquidity.
pub(crate) fn is_liquidity(id: &Pubkey, tag: &[u8; 8]) -> bool {
    TAGS.get(id).is_some_and(|set| {
        let tag = if set.by_byte { [tag[0], 0, 0, 0, 0, 0, 0, 0] } else { *tag };
        set.tags.contains(&tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchor_tags_are_the_first_bytes_of_the_hash() {
        // The tag of `swap` as it stands in every recorded whirlpool swap.
        assert_eq!(anchor_tag("swap"), [248, 198, 158, 145, 225, 117, 135, 200]);
    }

    #[test]
    fn swaps_are_no_liquidity() {
        let whirlpool = Pubkey::literal("whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc");
        assert!(is_liquidity(&whirlpool, &anchor_tag("increase_liquidity")));
        assert!(!is_liquidity(&whirlpool, &anchor_tag("swap")));
        let raydium = Pubkey::literal("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8");
        assert!(is_liquidity(&raydium, &[3, 7, 7, 7, 7, 7, 7, 7]));
        assert!(!is_liquidity(&raydium, &[9, 7, 7, 7, 7, 7, 7, 7]));
    }
}
