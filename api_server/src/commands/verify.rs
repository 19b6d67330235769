//! `verify` and `signing-key`: checking signed results, and the key that signs them.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;

use anyhow::Context;
use futures::TryStreamExt;
use job_orchestrator::tools::download;

use super::WrongUsage;
use crate::cli::{SigningKeyArgs, VerifyArgs};
use crate::signing::{Check, Checked, Signer, is_public_key};

/// Bytes read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Says whether a file is what was signed. Exit code 1 when it is not, with a line for each difference.
pub async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let trusted = args.key.as_deref();
    if trusted.is_some_and(|key| !is_public_key(key)) {
        let text =
            "--key takes a public key in base64, as signing-key and /api/signing/key give it";
        return Err(WrongUsage(text.to_owned()).into());
    }
    let source = &args.source;
    let mut check = Check::default();
    if source.starts_with("http://") || source.starts_with("https://") {
        let cannot = || {
            format!(
                "cannot read {source}; where it wants a key, save it with curl and verify the file"
            )
        };
        let mut pieces = download(source).await.with_context(cannot)?;
        while let Some(piece) = pieces.try_next().await.context("the download broke off")? {
            check.take(&piece);
        }
    } else if source == "-" {
        read(io::stdin().lock(), &mut check).context("cannot read stdin")?;
    } else {
        let file = std::fs::File::open(source).with_context(|| format!("cannot open {source}"))?;
        read(file, &mut check).with_context(|| format!("cannot read {source}"))?;
    }
    let Checked { signed, differs } = check.finish(trusted);
    let mut out = io::stdout().lock();
    for what in &differs {
        writeln!(out, "differs: {what}")?;
    }
    if !differs.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(signed) = signed {
        let (rows, job, key) = (signed.rows, signed.job_id, signed.public_key);
        writeln!(out, "ok: {rows} rows of job {job}, signed with the key {key}")?;
        if trusted.is_none() {
            writeln!(
                io::stderr(),
                "note: whose key that is was not checked; compare it, or give --key"
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(mut from: impl Read, check: &mut Check) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(()),
            count => check.take(&piece[..count]),
        }
    }
}

/// Writes a new key to a file that must not be there yet, for its owner alone to read, and its public part to
/// stdout.
pub fn create(args: &SigningKeyArgs) -> anyhow::Result<ExitCode> {
    let path = args.file.display();
    let signer = Signer::generate()?;
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.file)
        .with_context(|| format!("cannot create {path}"))?;
    writeln!(file, "{}", signer.secret())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {path}"))?;
    writeln!(
        io::stderr(),
        "the key is in {path}: name it in signing.key_file; its public part is"
    )?;
    writeln!(io::stdout(), "{}", signer.public_key())?;
    Ok(ExitCode::SUCCESS)
}
