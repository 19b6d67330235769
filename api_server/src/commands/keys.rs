//! `keys`: create, list, rotate and revoke the keys of clients.
//!
//! A new key is all that stdout gets, and the only time that it is shown; what people want to know of it
//! goes to stderr.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use persistence_layer::Store;
use persistence_layer::api_keys::{self, ApiKey, NewKey, Rotated, Scope};
use service_runtime::config::{AuthMode, Settings};
use uuid::Uuid;

use super::table::{self, Align};
use super::{WrongUsage, configure_quietly};
use crate::cli::{CreateKeyArgs, KeysCommand, OutputFormat, RotateKeyArgs};
use crate::database::Database;
use crate::dto::key::KeyView;
use crate::dto::time::rfc3339;
use crate::keys::{Secret, TRUSTED};

const DAY: Duration = Duration::from_secs(86_400);

/// Most characters of a name.
const MAX_NAME: usize = 100;

/// Does what was asked for. Exit code 1 when there is no such key.
pub async fn run(command: KeysCommand) -> anyhow::Result<ExitCode> {
    let settings = configure_quietly(command.config())?;
    let database = Database::open_for_a_look(&settings).await?;
    let done = on(&settings, &database.store, command).await;
    database.close().await;
    done
}

async fn on(settings: &Settings, store: &Store, command: KeysCommand) -> anyhow::Result<ExitCode> {
    let (applied, newest) = store.schema_version().await?;
    if applied < newest {
        bail!("the schema is at version {applied} of {newest}; run pnl-tracker migrate first");
    }
    match command {
        KeysCommand::Create(args) => create(settings, store, args).await,
        KeysCommand::List(args) => list(store, args.format).await,
        KeysCommand::Rotate(args) => rotate(store, &args).await,
        KeysCommand::Revoke(args) => revoke(store, args.id).await,
    }
}

async fn create(
    settings: &Settings,
    store: &Store,
    args: CreateKeyArgs,
) -> anyhow::Result<ExitCode> {
    if args.name.is_empty()
        || args.name.chars().count() > MAX_NAME
        || args.name.chars().any(char::is_control)
    {
        let text =
            format!("--name takes 1 to {MAX_NAME} characters, none of them a control character");
        return Err(WrongUsage(text).into());
    }
    let mut scopes = args.scopes;
    scopes.sort();
    scopes.dedup();
    let secret = Secret::generate()?;
    let new = NewKey {
        id: Uuid::now_v7(),
        tenant: args.tenant,
        name: args.name,
        hash: secret.hash(),
        scopes,
        valid_for: args.expires_in_days.map(|days| DAY * days),
    };
    api_keys::create(store, &new).await?;
    let NewKey { id, tenant, scopes, .. } = &new;
    let mut err = io::stderr().lock();
    writeln!(err, "key {id} of tenant {tenant} for {}; it is not shown again:", names(scopes))?;
    if settings.auth.mode == AuthMode::Open {
        writeln!(
            err,
            "note: auth.mode is \"open\" in this configuration, so nobody is asked for a key"
        )?;
    }
    print(&secret)
}

fn print(secret: &Secret) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", secret.expose())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Store, format: OutputFormat) -> anyhow::Result<ExitCode> {
    let keys = api_keys::list(store).await?;
    let mut out = io::stdout().lock();
    match format {
        OutputFormat::Json => {
            let views: Vec<_> = keys.iter().map(KeyView::of).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&views)?)?;
        }
        OutputFormat::Table => {
            let head = ["id", "tenant", "name", "scopes", "state", "expires", "last used"];
            let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
            write!(out, "{}", table::render(&head.map(|name| (name, Align::Left)), &rows))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn row(key: &ApiKey) -> Vec<String> {
    let time = |time: Option<_>| time.map_or_else(|| "-".to_owned(), rfc3339);
    let state = match (key.is_valid, key.revoked_at) {
        (true, _) => "valid",
        (false, Some(_)) => "revoked",
        (false, None) => "expired",
    };
    vec![
        key.id.to_string(),
        key.tenant.to_string(),
        key.name.clone(),
        names(&key.scopes),
        state.to_owned(),
        time(key.expires_at),
        time(key.last_used_at),
    ]
}

fn names(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

async fn rotate(store: &Store, args: &RotateKeyArgs) -> anyhow::Result<ExitCode> {
    let secret = Secret::generate()?;
    let new = Uuid::now_v7();
    let overlap = Duration::from_secs(args.overlap_hours * 3600);
    let valid_for = args.expires_in_days.map(|days| DAY * days);
    let rotated = api_keys::rotate(store, args.id, (new, secret.hash()), overlap, valid_for);
    let rotated = rotated.await?;
    // The log is written to the same place: nobody waits for anything meanwhile.
    let mut err = io::stderr().lock();
    match rotated {
        Rotated::Unknown => unknown(args.id),
        Rotated::NotValid => {
            writeln!(
                err,
                "error: the key {} has expired or was revoked; create a new one",
                args.id
            )?;
            Ok(ExitCode::FAILURE)
        }
        Rotated::Until(until) => {
            let until = rfc3339(until);
            writeln!(
                err,
                "key {new} in place of {}, which is valid until {until}; it is not shown again:",
                args.id
            )?;
            print(&secret)
        }
    }
}

async fn revoke(store: &Store, id: Uuid) -> anyhow::Result<ExitCode> {
    if !api_keys::revoke(store, id).await? {
        return unknown(id);
    }
    let seconds = TRUSTED.as_secs();
    writeln!(
        io::stderr(),
        "key {id} is revoked; every process that reaches the database refuses it within {seconds} s"
    )?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(id: Uuid) -> anyhow::Result<ExitCode> {
    writeln!(io::stderr(), "error: there is no key {id}; pnl-tracker keys list shows all")?;
    Ok(ExitCode::FAILURE)
}
