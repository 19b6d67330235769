//! What a made-up wallet does, step by step, and what it holds after any number of steps.
//!
//! A prologue happens once, a cycle for ever. What both leave behind is summed beforehand, so the
//! balances after a million steps take no longer than those after one.

/// One side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Party {
    Wallet,
    Counterparty,
}

impl Party {
    pub const BOTH: [Self; 2] = [Self::Wallet, Self::Counterparty];

    const fn other(self) -> Self {
        match self {
            Self::Wallet => Self::Counterparty,
            Self::Counterparty => Self::Wallet,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asset {
    Sol,
    /// The token of this number.
    Token(u8),
}

/// A transfer of base units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub asset: Asset,
    pub from: Party,
    pub amount: u64,
}

/// One transaction: who pays its fee, which token account of the wallet it opens, what moves.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub payer: Party,
    pub opens: Option<u8>,
    pub moves: Vec<Move>,
}

/// Lamports per signature.
const SIGNATURE_FEE: u64 = 5_000;
/// Lamports that a token account of 165 bytes must hold.
pub(super) const TOKEN_ACCOUNT_RENT: u64 = 2_039_280;
/// What the wallet gets first: 1,000 SOL.
const FUNDING: u64 = 1_000_000_000_000;
const COUNTERPARTY_LAMPORTS: i128 = 10_000_000_000_000_000;
const COUNTERPARTY_TOKENS: i128 = 1_000_000_000_000_000_000;

impl Step {
    fn of(payer: Party, moves: &[(Asset, Party, u64)]) -> Self {
        let moves =
            moves.iter().map(|&(asset, from, amount)| Move { asset, from, amount }).collect();
        Self { payer, opens: None, moves }
    }

    /// The wallet pays for it and gets `bought` for `sold`.
    fn exchange(sold: (Asset, u64), bought: (Asset, u64)) -> Self {
        let [sold, bought] = [(sold, Party::Wallet), (bought, Party::Counterparty)]
            .map(|((asset, amount), from)| (asset, from, amount));
        Self::of(Party::Wallet, &[sold, bought])
    }

    /// Whether the party signs: it pays or it gives.
    pub fn is_signed_by(&self, party: Party) -> bool {
        self.payer == party || self.moves.iter().any(|moved| moved.from == party)
    }

    /// How many sign, a newly opened account included.
    pub fn signatures(&self) -> usize {
        let parties = Party::BOTH.into_iter().filter(|&party| self.is_signed_by(party)).count();
        parties + usize::from(self.opens.is_some())
    }

    pub fn fee_lamports(&self) -> u64 {
        SIGNATURE_FEE * self.signatures() as u64
    }

    pub fn moves_sol(&self) -> bool {
        self.moves.iter().any(|moved| moved.asset == Asset::Sol)
    }

    pub fn names_token(&self, token: u8) -> bool {
        self.opens == Some(token)
            || self.moves.iter().any(|moved| moved.asset == Asset::Token(token))
    }
}

/// What both parties hold. Differences use the same type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holdings {
    lamports: [i128; 2],
    /// Lamports of the wallet's token accounts; 0 while one is not open.
    rent: Vec<i128>,
    tokens: Vec<[i128; 2]>,
}

impl Holdings {
    fn zero(tokens: u8) -> Self {
        let count = usize::from(tokens);
        Self { lamports: [0; 2], rent: vec![0; count], tokens: vec![[0; 2]; count] }
    }

    fn opening(tokens: u8) -> Self {
        let mut opening = Self::zero(tokens);
        opening.lamports[1] = COUNTERPARTY_LAMPORTS;
        opening.tokens.fill([0, COUNTERPARTY_TOKENS]);
        opening
    }

    fn apply(&mut self, step: &Step) {
        self.lamports[step.payer as usize] -= i128::from(step.fee_lamports());
        if let Some(token) = step.opens {
            self.lamports[Party::Wallet as usize] -= i128::from(TOKEN_ACCOUNT_RENT);
            self.rent[usize::from(token)] += i128::from(TOKEN_ACCOUNT_RENT);
        }
        for moved in &step.moves {
            let held = match moved.asset {
                Asset::Sol => &mut self.lamports,
                Asset::Token(token) => &mut self.tokens[usize::from(token)],
            };
            held[moved.from as usize] -= i128::from(moved.amount);
            held[moved.from.other() as usize] += i128::from(moved.amount);
        }
    }

    fn add(&mut self, more: &Self, times: i128) {
        let add = |to: &mut i128, by: i128| *to += by * times;
        for party in Party::BOTH.map(|party| party as usize) {
            add(&mut self.lamports[party], more.lamports[party]);
            for (to, by) in self.tokens.iter_mut().zip(&more.tokens) {
                add(&mut to[party], by[party]);
            }
        }
        self.rent.iter_mut().zip(&more.rent).for_each(|(to, by)| add(to, *by));
    }

    pub fn lamports(&self, party: Party) -> u64 {
        amount(self.lamports[party as usize])
    }

    /// Lamports of the wallet's account of a token; `None` before it is open.
    pub fn rent(&self, token: u8) -> Option<u64> {
        Some(amount(self.rent[usize::from(token)])).filter(|&lamports| lamports > 0)
    }

    pub fn token(&self, token: u8, party: Party) -> u64 {
        amount(self.tokens[usize::from(token)][party as usize])
    }
}

fn amount(held: i128) -> u64 {
    u64::try_from(held).expect("no step gives away more than there is")
}

/// The steps of every wallet of a plan.
#[derive(Debug)]
pub(super) struct Schedule {
    prologue: Vec<Step>,
    cycle: Vec<Step>,
    /// Holdings after so many steps of the prologue, and what so many steps of the cycle change.
    after_prologue: Vec<Holdings>,
    after_cycle: Vec<Holdings>,
}

impl Schedule {
    /// Transfers of SOL to and fro; with tokens, between them transfers and exchanges of each.
    /// Token 0 is the one others are exchanged for.
    pub fn new(tokens: u8) -> Self {
        let funding = [(Asset::Sol, Party::Counterparty, FUNDING)];
        let mut prologue = vec![Step::of(Party::Counterparty, &funding)];
        prologue.extend((0..tokens).map(|token| Step {
            payer: Party::Wallet,
            opens: Some(token),
            moves: Vec::new(),
        }));
        let mut cycle = vec![
            Step::of(Party::Wallet, &[(Asset::Sol, Party::Wallet, 1_000_000)]),
            Step::of(Party::Counterparty, &[(Asset::Sol, Party::Counterparty, 1_500_000)]),
        ];
        for token in 1..tokens {
            cycle.extend(trading(token));
        }
        let after_prologue = sums(Holdings::opening(tokens), &prologue);
        let after_cycle = sums(Holdings::zero(tokens), &cycle);
        Self { prologue, cycle, after_prologue, after_cycle }
    }

    /// The step of this number, from 0.
    pub fn step(&self, number: u64) -> &Step {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        match number.checked_sub(self.prologue.len()) {
            None => &self.prologue[number],
            Some(past) => &self.cycle[past % self.cycle.len()],
        }
    }

    /// What is held after so many steps.
    pub fn after(&self, steps: u64) -> Holdings {
        let steps = usize::try_from(steps).unwrap_or(usize::MAX);
        let Some(past) = steps.checked_sub(self.prologue.len()) else {
            return self.after_prologue[steps].clone();
        };
        let mut holdings = self.after_prologue[self.prologue.len()].clone();
        let cycles = (past / self.cycle.len()) as i128;
        holdings.add(&self.after_cycle[self.cycle.len()], cycles);
        holdings.add(&self.after_cycle[past % self.cycle.len()], 1);
        holdings
    }
}

/// What the wallet does with a token. At each point it holds enough, and a little of everything is
/// left at the end.
fn trading(token: u8) -> Vec<Step> {
    let unit = 10u64.pow(u32::from(decimals(token)));
    let quote = 10u64.pow(u32::from(decimals(0)));
    let (this, coin) = (Asset::Token(token), Asset::Token(0));
    vec![
        Step::exchange((Asset::Sol, 10_000_000), (this, 100 * unit)),
        Step::of(Party::Counterparty, &[(this, Party::Counterparty, 10 * unit)]),
        Step::exchange((this, 60 * unit), (Asset::Sol, 9_000_000)),
        Step::of(Party::Wallet, &[(this, Party::Wallet, 7 * unit)]),
        Step::exchange((Asset::Sol, 10_000_000), (coin, quote * 3 / 2)),
        Step::exchange((coin, quote), (this, 5 * unit)),
        Step::exchange((this, 40 * unit), (coin, 2 * quote)),
        Step::exchange((coin, quote * 12 / 5), (Asset::Sol, 12_000_000)),
    ]
}

/// Decimals of a token.
pub(super) const fn decimals(token: u8) -> u8 {
    match token % 4 {
        0 => 6,
        1 => 9,
        2 => 5,
        _ => 0,
    }
}

fn sums(mut holdings: Holdings, steps: &[Step]) -> Vec<Holdings> {
    let mut sums = vec![holdings.clone()];
    for step in steps {
        holdings.apply(step);
        sums.push(holdings.clone());
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdings_after_any_number_of_steps_are_those_of_walking_there() {
        for tokens in [0, 1, 3] {
            let schedule = Schedule::new(tokens);
            let mut walked = Holdings::opening(tokens);
            for number in 0..100 {
                assert_eq!(schedule.after(number), walked, "{tokens} tokens, {number} steps");
                walked.apply(schedule.step(number));
            }
        }
    }

    #[test]
    fn nobody_runs_dry_in_millions_of_steps() {
        let schedule = Schedule::new(4);
        for steps in (0..200).chain([200_000, 5_000_000]) {
            let holdings = schedule.after(steps);
            for party in Party::BOTH {
                holdings.lamports(party);
                (0..4).for_each(|token| {
                    holdings.token(token, party);
                });
            }
        }
    }
}
