//! What a transaction was: kind, venue, whether an exchange took part. Labels never change amounts.

use pnl_core::TxKind;

use super::actions::Action;
use super::encoding::Recording;
use super::programs::{self, Category, liquidity};
use super::pubkey::Pubkey;
use super::split::{Movements, Split};

/// A native receipt up to this size that the wallet did not sign for is an advertisement: it is
/// less than twice what a signature costs the sender.
const SPAM_LAMPORTS: i128 = 10_000;

/// What the programs of a transaction say about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labels {
    /// Name of the first program with a name that the user called.
    pub(crate) venue: Option<&'static str>,
    /// Whether an exchange or a router ran, at any depth.
    pub(crate) exchange: bool,
    /// Categories of the outer programs, in order, without the base ones.
    outer: Vec<Category>,
    /// Categories of all programs.
    all: Vec<Category>,
    /// Whether an instruction of an exchange added or removed liquidity.
    liquidity: bool,
    /// Whether a program without a name ran.
    unnamed_program: bool,
}

impl Labels {
    pub(crate) fn read(recording: &Recording) -> Self {
        let mut labels = Self::default();
        let mut oracle = None;
        for step in &recording.steps {
            labels.liquidity |= liquidity::is_liquidity(&step.program, &step.tag);
            let Some(program) = programs::by_id(&step.program) else {
                labels.unnamed_program = true;
                continue;
            };
            if !labels.all.contains(&program.category) {
                labels.all.push(program.category);
            }
            if step.inner.is_some() {
                continue;
            }
            match program.category {
                Category::Base => {}
                Category::Oracle => oracle = oracle.or(Some(program.name)),
                category => {
                    labels.venue = labels.venue.or(Some(program.name));
                    if !labels.outer.contains(&category) {
                        labels.outer.push(category);
                    }
                }
            }
        }
        labels.venue = labels.venue.or(oracle);
        labels.exchange = [Category::Exchange, Category::OrderBook, Category::Router]
            .iter()
            .any(|category| labels.all.contains(category));
        labels
    }

    fn ran(&self, category: Category) -> bool {
        self.all.contains(&category)
    }
}

/// What the transaction was for one wallet.
pub(crate) fn kind(
    recording: &Recording,
    movements: &Movements,
    labels: &Labels,
    wallet: &Pubkey,
    split: &Split,
) -> TxKind {
    if recording.failed {
        return TxKind::FeeOnly;
    }
    let facts = Facts::gather(recording, movements, wallet, split);
    match (facts.outs > 0, facts.ins > 0) {
        (false, false) => facts.nothing_moved(labels, split),
        (true, true) => facts.exchanged(labels),
        (false, true) => facts.received(labels),
        (true, false) => facts.gave(labels),
    }
}

/// What happened to the wallet, as far as labels need it.
struct Facts {
    ins: usize,
    outs: usize,
    native_in: i128,
    signed: bool,
    /// A change of one unit of a token without decimals.
    single_token: bool,
    /// New units of a token that the wallet gained.
    minted: bool,
    /// Units of a token the wallet lost were destroyed.
    burned: bool,
    approved: bool,
    own_transfer: bool,
    /// Change of what is wrapped in the wallet's accounts.
    wrapped: i128,
}

impl Facts {
    fn gather(
        recording: &Recording,
        movements: &Movements,
        wallet: &Pubkey,
        split: &Split,
    ) -> Self {
        let native = split.net_native();
        let changes = split.tokens.values().map(|change| change.raw).chain([native]);
        let (mut ins, mut outs) = (0, 0);
        for raw in changes {
            ins += usize::from(raw > 0);
            outs += usize::from(raw < 0);
        }
        let mut facts = Self {
            ins,
            outs,
            native_in: native,
            signed: recording.keys.signers().any(|key| key == *wallet),
            single_token: split.tokens.values().any(|t| t.decimals == Some(0) && t.raw.abs() == 1),
            minted: false,
            burned: false,
            approved: false,
            own_transfer: false,
            wrapped: movements.wrapped_change(wallet),
        };
        if split.derived_account.is_some() {
            facts.wrapped += 1;
        }
        for step in &recording.steps {
            facts.read(step.action.as_ref(), recording, movements, wallet, split);
        }
        facts
    }

    fn read(
        &mut self,
        action: Option<&Action>,
        recording: &Recording,
        movements: &Movements,
        wallet: &Pubkey,
        split: &Split,
    ) {
        let keys = &recording.keys;
        let owns = |index| movements.accounts.is_owned_by(index, wallet);
        let change = |index| split.tokens.get(&keys.at(index)).map_or(0, |token| token.raw);
        match action {
            Some(Action::MintTo { mint, account }) => {
                self.minted |= owns(*account) && change(*mint) > 0;
            }
            Some(Action::Burn { account, mint }) => {
                self.burned |= owns(*account) && change(*mint) < 0;
            }
            Some(Action::Approve { owner, .. } | Action::Revoke { owner, .. }) => {
                self.approved |= keys.at(*owner) == *wallet;
            }
            Some(Action::TokenTransfer { from, to, amount, .. }) => {
                self.own_transfer |= *amount > 0 && owns(*from) && owns(*to);
            }
            Some(Action::Lamports { from, to, lamports, .. }) => {
                let is_own = keys.at(*from) == *wallet && keys.at(*to) == *wallet;
                self.own_transfer |= *lamports > 0 && is_own;
            }
            _ => {}
        }
    }

    /// Neither in nor out beside fee, tips and deposits.
    fn nothing_moved(&self, labels: &Labels, split: &Split) -> TxKind {
        if self.wrapped > 0 {
            return TxKind::Wrap;
        }
        if self.wrapped < 0 {
            return TxKind::Unwrap;
        }
        if split.rent != 0 {
            return named_kind(&labels.outer, labels).unwrap_or(TxKind::Other);
        }
        if self.approved {
            TxKind::Approve
        } else if self.own_transfer {
            TxKind::OwnTransfer
        } else if split.fee.is_some() || split.tips != 0 {
            TxKind::FeeOnly
        } else {
            TxKind::None
        }
    }

    fn exchanged(&self, labels: &Labels) -> TxKind {
        if self.single_token || labels.outer.contains(&Category::NftMarket) {
            return TxKind::Nft;
        }
        for category in &labels.outer {
            match category {
                Category::Lend => return TxKind::Lend,
                // A swap on the way to another chain: what is bridged left the wallet in it.
                Category::Bridge if self.signed => return TxKind::Bridge,
                Category::LiquidStake => return TxKind::Swap,
                _ => {}
            }
        }
        let pooled = [Category::Exchange, Category::Vault, Category::Perps];
        let is_pool = pooled.iter().any(|category| labels.ran(*category));
        if labels.liquidity || ((self.minted || self.burned) && is_pool) {
            return TxKind::Liquidity;
        }
        if labels.ran(Category::Lend) && !labels.exchange { TxKind::Lend } else { TxKind::Swap }
    }

    fn received(&self, labels: &Labels) -> TxKind {
        if let Some(kind) = self.one_sided(labels) {
            return kind;
        }
        if self.minted && self.signed {
            return TxKind::Mint;
        }
        let is_dust = self.ins == 1 && (1..=SPAM_LAMPORTS).contains(&self.native_in);
        // What a program pays out is no advertisement, however little it is.
        let is_plain = labels.all.iter().all(|category| *category == Category::Base)
            && !labels.unnamed_program;
        if is_dust && is_plain && !self.signed { TxKind::Spam } else { TxKind::TransferIn }
    }

    fn gave(&self, labels: &Labels) -> TxKind {
        if let Some(kind) = self.one_sided(labels) {
            return kind;
        }
        if self.burned && self.outs == 1 { TxKind::Burn } else { TxKind::TransferOut }
    }

    /// Rules that hold for receipts as for payments.
    fn one_sided(&self, labels: &Labels) -> Option<TxKind> {
        if self.single_token {
            return Some(TxKind::Nft);
        }
        let traded = labels.ran(Category::Exchange) || labels.ran(Category::Router);
        match named_kind(&labels.outer, labels) {
            // Who fills somebody else's order by a trade keeps the difference.
            Some(TxKind::Order) if traded && self.signed => return Some(TxKind::Swap),
            Some(TxKind::Claim) if !self.signed => {}
            Some(kind) => return Some(kind),
            None => {}
        }
        if traded && self.signed {
            // A round trip ends in the asset it began with; two assets go the same way when they
            // enter or leave a pool.
            let is_trip = self.ins + self.outs == 1 || labels.ran(Category::Router);
            return Some(if is_trip { TxKind::Swap } else { TxKind::Liquidity });
        }
        match named_kind(&labels.all, labels) {
            Some(TxKind::Claim) => None,
            // Inside a trade, others only receive or lose their share of it, but for the owner of
            // an order that is filled.
            Some(kind) if traded => (kind == TxKind::Order).then_some(kind),
            kind => kind,
        }
    }
}

/// The kind that the first program with a clear purpose stands for.
fn named_kind(categories: &[Category], labels: &Labels) -> Option<TxKind> {
    categories.iter().find_map(|category| match category {
        Category::Order | Category::OrderBook => Some(TxKind::Order),
        Category::Lend => Some(TxKind::Lend),
        Category::Stake | Category::LiquidStake => Some(TxKind::Stake),
        Category::Vault => Some(TxKind::Liquidity),
        Category::Bridge => Some(TxKind::Bridge),
        Category::NftMarket => Some(TxKind::Nft),
        Category::Claim => Some(TxKind::Claim),
        Category::Perps => Some(TxKind::Other),
        Category::Exchange if labels.liquidity => Some(TxKind::Liquidity),
        Category::Exchange
        | Category::Router
        | Category::Base
        | Category::Nft
        | Category::Oracle
        | Category::Other => None,
    })
}
