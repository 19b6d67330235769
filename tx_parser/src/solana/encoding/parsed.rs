//! Instructions that the node has parsed (`jsonParsed`) -> the same actions as from bytes.

use super::super::actions::{Action, AuthorityKind, KeyIndex, LamportMove, Owner, token_program};
use super::super::programs::ids;
use super::super::pubkey::Pubkey;
use super::compiled::Malformed;
use super::keys::Keys;
use super::wire::{ParsedBatch, ParsedBody, ParsedInfo, Text};

/// Adds what the parsed instruction means to `actions`; nothing when it moves nothing.
pub(super) fn decode(
    program: &Pubkey,
    body: &ParsedBody<'_>,
    keys: &Keys,
    actions: &mut Vec<Action>,
) -> Result<(), Malformed> {
    let is_batch = token_program(program).is_some() && body.kind.as_str() == "batch";
    if !is_batch {
        actions.extend(single(program, body, keys)?);
        return Ok(());
    }
    let batch: Option<ParsedBatch<'_>> =
        body.info.and_then(|raw| serde_json::from_str(raw.get()).ok());
    for body in batch.ok_or(Malformed("its batch is no list of instructions"))?.instructions {
        // Batches do not nest: an inner one has no meaning here.
        actions.extend(single(program, &body, keys)?);
    }
    Ok(())
}

fn single(
    program: &Pubkey,
    body: &ParsedBody<'_>,
    keys: &Keys,
) -> Result<Option<Action>, Malformed> {
    // Types that move nothing may have members of another shape: those read as absent.
    let info = body.info.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let info = Info { info: &info.unwrap_or_default(), keys };
    let kind = body.kind.as_str();
    if token_program(program).is_some() {
        token(kind, &info)
    } else if *program == ids::SYSTEM {
        system(kind, &info)
    } else if *program == ids::ASSOCIATED_TOKEN {
        associated_token(kind, &info)
    } else if *program == ids::STAKE {
        stake(kind, &info)
    } else if *program == ids::VOTE {
        vote(kind, &info)
    } else if *program == ids::LOOKUP_TABLE {
        lookup_table(kind, &info)
    } else {
        Ok(None)
    }
}

fn system(kind: &str, info: &Info<'_>) -> Result<Option<Action>, Malformed> {
    Ok(Some(match kind {
        "transfer" | "transferWithSeed" => Action::Lamports {
            from: info.source()?,
            to: info.destination()?,
            lamports: info.lamports()?,
            by: LamportMove::System,
        },
        "createAccount" | "createAccountWithSeed" | "createAccountAllowPrefund" => Action::Create {
            payer: info.source().ok(),
            account: info.index(info.info.new_account.as_ref())?,
            lamports: info.lamports()?,
            space: info.space()?,
            owner: info.key(info.info.owner.as_ref())?,
        },
        "allocate" | "allocateWithSeed" => {
            Action::Allocate { account: info.account()?, space: info.space()? }
        }
        "assign" | "assignWithSeed" => {
            Action::Assign { account: info.account()?, owner: info.key(info.info.owner.as_ref())? }
        }
        "withdrawFromNonce" => Action::Lamports {
            from: info.index(info.info.nonce_account.as_ref())?,
            to: info.destination()?,
            lamports: info.lamports()?,
            by: LamportMove::Nonce,
        },
        _ => return Ok(None),
    }))
}

fn token(kind: &str, info: &Info<'_>) -> Result<Option<Action>, Malformed> {
    Ok(Some(match kind {
        "initializeAccount" | "initializeAccount2" | "initializeAccount3" => {
            Action::InitializeAccount {
                account: info.account()?,
                mint: info.mint()?,
                owner: Owner::Key(info.key(info.info.owner.as_ref())?),
            }
        }
        "transfer" => Action::TokenTransfer {
            from: info.source()?,
            to: info.destination()?,
            mint: None,
            amount: info.amount()?,
        },
        "transferChecked" | "transferCheckedWithFee" => Action::TokenTransfer {
            from: info.source()?,
            to: info.destination()?,
            mint: Some(info.mint()?),
            amount: info.amount()?,
        },
        "approve" | "approveChecked" => {
            Action::Approve { account: info.source()?, owner: info.owner()? }
        }
        "revoke" => Action::Revoke { account: info.source()?, owner: info.owner()? },
        "setAuthority" => {
            let body = info.info;
            let is_owner =
                body.authority_type.as_ref().is_some_and(|kind| kind.as_str() == "accountOwner");
            let account = body.account.as_ref().or(body.mint.as_ref());
            let current = body.authority.as_ref().or(body.multisig_authority.as_ref());
            Action::SetAuthority {
                account: info.index(account)?,
                kind: if is_owner { AuthorityKind::AccountOwner } else { AuthorityKind::Other },
                current: info.index(current)?,
                new: body.new_authority.as_ref().map(|key| info.key(Some(key))).transpose()?,
            }
        }
        "mintTo" | "mintToChecked" => {
            Action::MintTo { mint: info.mint()?, account: info.account()? }
        }
        "burn" | "burnChecked" => Action::Burn { account: info.account()?, mint: info.mint()? },
        "closeAccount" => {
            Action::CloseAccount { account: info.account()?, to: info.destination()? }
        }
        "syncNative" => Action::SyncNative { account: info.account()? },
        "withdrawExcessLamports" => {
            Action::Unwrap { account: info.source()?, to: info.destination()?, amount: None }
        }
        "unwrapLamports" => Action::Unwrap {
            account: info.source()?,
            to: info.destination()?,
            amount: info.info.amount.as_ref().map(|_| info.amount()).transpose()?,
        },
        _ => return Ok(None),
    }))
}

fn associated_token(kind: &str, info: &Info<'_>) -> Result<Option<Action>, Malformed> {
    Ok(match kind {
        "create" | "createIdempotent" => Some(Action::CreateAssociated {
            account: info.account()?,
            wallet: info.index(info.info.wallet.as_ref())?,
            mint: info.mint()?,
        }),
        _ => None,
    })
}

fn stake(kind: &str, info: &Info<'_>) -> Result<Option<Action>, Malformed> {
    let stake_account = || info.index(info.info.stake_account.as_ref());
    Ok(Some(match kind {
        "withdraw" => Action::Lamports {
            from: stake_account()?,
            to: info.destination()?,
            lamports: info.lamports()?,
            by: LamportMove::StakeWithdraw,
        },
        "split" => Action::Lamports {
            from: stake_account()?,
            to: info.index(info.info.new_split_account.as_ref())?,
            lamports: info.lamports()?,
            by: LamportMove::StakeToStake,
        },
        "moveStake" | "moveLamports" => Action::Lamports {
            from: info.source()?,
            to: info.destination()?,
            lamports: info.lamports()?,
            by: LamportMove::StakeToStake,
        },
        "merge" => Action::AllLamports {
            from: info.source()?,
            to: info.destination()?,
            by: LamportMove::StakeToStake,
        },
        _ => return Ok(None),
    }))
}

fn vote(kind: &str, info: &Info<'_>) -> Result<Option<Action>, Malformed> {
    Ok(match kind {
        "withdraw" => Some(Action::Lamports {
            from: info.index(info.info.vote_account.as_ref())?,
            to: info.destination()?,
            lamports: info.lamports()?,
            by: LamportMove::Vote,
        }),
        _ => None,
    })
}

fn lookup_table(kind: &str, info: &Info<'_>) -> Result<Option<Action>, Malformed> {
    Ok(match kind {
        "closeLookupTable" => Some(Action::AllLamports {
            from: info.index(info.info.lookup_table_account.as_ref())?,
            to: info.index(info.info.recipient.as_ref())?,
            by: LamportMove::LookupTable,
        }),
        _ => None,
    })
}

/// The members of an instruction, resolved against the keys of the transaction.
struct Info<'a> {
    info: &'a ParsedInfo<'a>,
    keys: &'a Keys,
}

const MISSING: Malformed = Malformed("a member of its parsed form is missing");

impl Info<'_> {
    fn key(&self, text: Option<&Text<'_>>) -> Result<Pubkey, Malformed> {
        let text = text.ok_or(MISSING)?;
        Pubkey::parse(text.as_str()).ok_or(Malformed("a member of its parsed form is no key"))
    }

    fn index(&self, text: Option<&Text<'_>>) -> Result<KeyIndex, Malformed> {
        let key = self.key(text)?;
        self.keys.index_of(&key).ok_or(Malformed("it names an account outside of the keys"))
    }

    fn source(&self) -> Result<KeyIndex, Malformed> {
        self.index(self.info.source.as_ref())
    }

    fn destination(&self) -> Result<KeyIndex, Malformed> {
        self.index(self.info.destination.as_ref())
    }

    fn account(&self) -> Result<KeyIndex, Malformed> {
        self.index(self.info.account.as_ref())
    }

    fn mint(&self) -> Result<KeyIndex, Malformed> {
        self.index(self.info.mint.as_ref())
    }

    fn owner(&self) -> Result<KeyIndex, Malformed> {
        self.index(self.info.owner.as_ref().or(self.info.multisig_owner.as_ref()))
    }

    fn lamports(&self) -> Result<u64, Malformed> {
        self.info.lamports.ok_or(MISSING)
    }

    fn space(&self) -> Result<u64, Malformed> {
        self.info.space.ok_or(MISSING)
    }

    fn amount(&self) -> Result<u64, Malformed> {
        let checked = self.info.token_amount.as_ref().map(|amount| &amount.amount);
        let text = self.info.amount.as_ref().or(checked).ok_or(MISSING)?;
        text.as_str().parse().map_err(|_| Malformed("its amount is no 64-bit number"))
    }
}
