//! Results that others can check without trusting whoever hands them on: each row with its SHA-256, and at the
//! end one Ed25519 signature (RFC 8032) over all of them.
//!
//! A signed file is lines of JSON. Each but the last is `{"sha256", "row"}`; the digest is of the bytes of `row`
//! as they stand there. The last is `{"signed": {…}}`: the signature is over [`Statement::text`], whose digest is
//! the SHA-256 over the digests of all rows in their order. Equal results give equal files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rustls::crypto::CryptoProvider;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::json::hex;
use crate::keys::NoRandomBytes;

/// The form of the file.
pub const VERSION: u32 = 1;

/// Bytes of a key, private or public.
const KEY_BYTES: usize = 32;

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The file.
    #[error("signing.key_file: cannot read {}", path.display())]
    Unreadable {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What stands in it.
    #[error("signing.key_file: {} holds no key that pnl-tracker signing-key has written", .0.display())]
    NoKey(PathBuf),
}

/// A key that signs.
pub struct Signer(SigningKey);

impl Signer {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, NoRandomBytes> {
        let mut bytes = [0; KEY_BYTES];
        let provider = CryptoProvider::get_default().map(|provider| provider.secure_random);
        let ours = || rustls::crypto::ring::default_provider().secure_random;
        provider.unwrap_or_else(ours).fill(&mut bytes).map_err(|_| NoRandomBytes)?;
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    /// The one in a file.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn open(path: &Path) -> Result<Self, SigningError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SigningError::Unreadable { path: path.to_owned(), source })?;
        let bytes = decoded::<KEY_BYTES>(text.trim());
        let bytes = bytes.ok_or_else(|| SigningError::NoKey(path.to_owned()))?;
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    /// The private key as its file has it.
    pub fn secret(&self) -> String {
        STANDARD.encode(self.0.to_bytes())
    }

    /// What others check signatures with.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.0.verifying_key().to_bytes())
    }

    /// The last line of a file.
    pub fn sign(&self, statement: &Statement) -> Signed {
        Signed {
            version: VERSION,
            job_id: statement.job_id.clone(),
            rows: statement.rows,
            sha256: hex(&statement.digest),
            public_key: self.public_key(),
            signature: STANDARD.encode(self.0.sign(statement.text().as_bytes()).to_bytes()),
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The job.
    pub job_id: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over the digests of the rows.
    pub digest: [u8; 32],
}

impl Statement {
    /// The bytes that are signed: what it is, the job, the rows and the digest in hexadecimal, a line each.
    pub fn text(&self) -> String {
        let Self { job_id, rows, digest } = self;
        format!("pnl-tracker results {VERSION}\n{job_id}\n{rows}\n{}\n", hex(digest))
    }
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The form.
    pub version: u32,
    /// The job.
    pub job_id: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over the digests of the rows, in hexadecimal.
    pub sha256: String,
    /// The key that has signed, in base64.
    pub public_key: String,
    /// The signature, in base64.
    pub signature: String,
}

/// A line of a row.
#[derive(Serialize)]
struct RowLine<'a> {
    sha256: String,
    row: &'a RawValue,
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    signed: Signed,
}

/// A file that is being signed.
#[derive(Default)]
pub struct Signing {
    rows: u64,
    hash: Sha256,
}

impl Signing {
    /// The line of a row.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn line(&mut self, row: &[u8]) -> Result<String, serde_json::Error> {
        let row: &RawValue = serde_json::from_slice(row)?;
        let digest = Sha256::digest(row.get().as_bytes());
        self.rows += 1;
        self.hash.update(digest);
        Ok(serde_json::to_string(&RowLine { sha256: hex(&digest), row })? + "\n")
    }

    /// The last line.
    ///
    /// # Errors
    /// Never, in practice: texts and numbers have a JSON.
    pub fn finish(self, job_id: String, signer: &Signer) -> Result<String, serde_json::Error> {
        let statement = Statement { job_id, rows: self.rows, digest: self.hash.finalize().into() };
        Ok(serde_json::to_string(&LastLine { signed: signer.sign(&statement) })? + "\n")
    }
}

/// Differences that are told one by one.
const MOST_TOLD: usize = 100;

/// A line beyond this is none of ours, in bytes.
const MAX_LINE_BYTES: usize = 256 << 20;

/// A signed file that is being checked.
#[derive(Default)]
pub struct Check {
    held: Vec<u8>,
    /// The line is too long: what is left of it is passed over.
    is_too_long: bool,
    line: u64,
    rows: u64,
    hash: Sha256,
    signed: Option<Signed>,
    differs: Vec<String>,
    more: u64,
}

/// What a check has found.
#[derive(Debug)]
pub struct Checked {
    /// What the file says of itself, when it has an end.
    pub signed: Option<Signed>,
    /// What differs, in words; nothing when the file is what was signed.
    pub differs: Vec<String>,
}

/// A line of a row, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine<'a> {
    sha256: String,
    #[serde(borrow)]
    row: &'a RawValue,
}

/// What a row is about.
#[derive(Deserialize)]
struct Named {
    wallet: String,
}

impl Check {
    /// Takes the next bytes of the file.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.hold(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.held);
            if std::mem::take(&mut self.is_too_long) {
                self.line += 1;
            } else {
                self.take_line(&line);
            }
        }
        self.hold(rest);
    }

    /// Takes more of a line. Of one that is too long nothing is read: what was left out could change its meaning.
    fn hold(&mut self, bytes: &[u8]) {
        if self.is_too_long {
            return;
        }
        if self.held.len() + bytes.len() > MAX_LINE_BYTES {
            self.is_too_long = true;
            self.held = Vec::new();
            self.note(format!("line {} is longer than {MAX_LINE_BYTES} bytes", self.line + 1));
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    /// What was found. Without `trusted` any key is as good as another.
    pub fn finish(mut self, trusted: Option<&str>) -> Checked {
        if !self.held.is_empty() || self.is_too_long {
            self.line += 1;
            self.note(format!("line {} has no end: the file was cut", self.line));
        }
        match self.signed.clone() {
            None => self.note("there is no signature at the end: the file was cut".to_owned()),
            Some(signed) => self.compare(&signed, trusted),
        }
        if self.more > 0 {
            self.differs.push(format!("and {} more differences", self.more));
        }
        Checked { signed: self.signed, differs: self.differs }
    }

    fn take_line(&mut self, line: &[u8]) {
        self.line += 1;
        let number = self.line;
        if self.signed.is_some() {
            return self.note(format!("line {number} stands behind the signature"));
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return self.note(format!("line {number} is no text"));
        };
        if let Ok(ReadLine { sha256, row }) = serde_json::from_str(text) {
            let digest = Sha256::digest(row.get().as_bytes());
            self.rows += 1;
            self.hash.update(digest);
            if hex(&digest) != sha256 {
                let wallet = serde_json::from_str::<Named>(row.get());
                let wallet = wallet.map_or_else(|_| "?".to_owned(), |named| named.wallet);
                let found = hex(&digest);
                self.note(format!(
                    "line {number}, wallet {wallet:?}: the row was changed; its SHA-256 is {found}, not {sha256:?}"
                ));
            }
        } else if let Ok(LastLine { signed }) = serde_json::from_str(text) {
            self.signed = Some(signed);
        } else {
            self.note(format!("line {number} is neither a row nor a signature"));
        }
    }

    fn compare(&mut self, signed: &Signed, trusted: Option<&str>) {
        if signed.version != VERSION {
            let version = signed.version;
            return self
                .note(format!("the file has the form {version}; this program knows {VERSION}"));
        }
        let digest: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        if signed.rows != self.rows {
            self.note(format!("there are {} rows; {} were signed", self.rows, signed.rows));
        }
        if signed.sha256 != hex(&digest) {
            self.note(format!(
                "rows were changed, added, left out or put in another order: their SHA-256 is {}, not {:?}",
                hex(&digest),
                signed.sha256
            ));
        }
        if let Some(trusted) = trusted.filter(|trusted| *trusted != signed.public_key) {
            let key = &signed.public_key;
            self.note(format!("it is signed with the key {key:?}, not with {trusted:?}"));
        }
        // Over what the file says of itself: what it says against its rows was compared above.
        let stated = decoded_hex(&signed.sha256).map(|digest| Statement {
            job_id: signed.job_id.clone(),
            rows: signed.rows,
            digest,
        });
        let key = decoded(&signed.public_key).and_then(|key| VerifyingKey::from_bytes(&key).ok());
        let signature = decoded(&signed.signature).map(|bytes| Signature::from_bytes(&bytes));
        let is_valid = match (stated, key, signature) {
            (Some(stated), Some(key), Some(signature)) => {
                key.verify_strict(stated.text().as_bytes(), &signature).is_ok()
            }
            _ => false,
        };
        if !is_valid {
            self.note("the signature is not of this key over this job, rows and digest".to_owned());
        }
    }

    fn note(&mut self, what: String) {
        if self.differs.len() < MOST_TOLD {
            self.differs.push(what);
        } else {
            self.more += 1;
        }
    }
}

/// Whether `text` can be a public key.
pub fn is_public_key(text: &str) -> bool {
    decoded(text).is_some_and(|bytes| VerifyingKey::from_bytes(&bytes).is_ok())
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn decoded_hex(text: &str) -> Option<[u8; 32]> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 64 || !is_hex {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [&str; 3] =
        [r#"{"wallet":"A","gain":"1.50"}"#, r#"{"wallet":"B", "gain":"-2"}"#, r#"{"wallet":"C"}"#];

    fn signer() -> Signer {
        Signer(SigningKey::from_bytes(&[7; 32]))
    }

    fn file(rows: &[&str]) -> String {
        let mut signing = Signing::default();
        let mut text = String::new();
        for row in rows {
            text.push_str(&signing.line(row.as_bytes()).unwrap());
        }
        text + &signing.finish("job".to_owned(), &signer()).unwrap()
    }

    fn differs(text: &str, trusted: Option<&str>) -> Vec<String> {
        let mut check = Check::default();
        for piece in text.as_bytes().chunks(11) {
            check.take(piece);
        }
        check.finish(trusted).differs
    }

    #[test]
    fn what_was_signed_is_found_unchanged() {
        let text = file(&ROWS);
        assert_eq!(text, file(&ROWS), "the same each time");
        assert_eq!(differs(&text, None), [""; 0]);
        assert_eq!(differs(&text, Some(&signer().public_key())), [""; 0]);
        assert_eq!(differs(&file(&[]), None), [""; 0]);
    }

    #[test]
    fn a_line_too_long_to_be_read_whole_is_no_line() {
        let text = file(&ROWS);
        let (first, rest) = text.split_once('\n').unwrap();
        let mut check = Check::default();
        check.take(first.trim_end_matches('}').as_bytes());
        let blanks = vec![b' '; 1 << 20];
        for _ in 0..=MAX_LINE_BYTES >> 20 {
            check.take(&blanks);
        }
        // What a checker that forgets the middle of a line does not see.
        check.take(br#","row":{"wallet":"A","gain":"9"}"#);
        check.take(format!("}}\n{rest}").as_bytes());
        let differs = check.finish(None).differs;
        assert!(differs.iter().any(|what| what.contains("line 1 is longer")), "{differs:?}");
        assert!(differs.iter().any(|what| what.contains("2 rows; 3 were signed")), "{differs:?}");
    }

    #[test]
    fn whatever_is_changed_is_named() {
        let text = file(&ROWS);
        let other = Signer(SigningKey::from_bytes(&[8; 32]));
        let lines: Vec<&str> = text.lines().collect();
        let join = |lines: &[&str]| lines.join("\n") + "\n";
        let digest_of = |row: &str| hex(&Sha256::digest(row.as_bytes()));
        let forged = ROWS[1].replace("-2", "99");
        let rehashed =
            text.replace(ROWS[1], &forged).replace(&digest_of(ROWS[1]), &digest_of(&forged));
        for (text, expected) in [
            (text.replace("1.50", "9.50"), "line 1, wallet \"A\": the row was changed"),
            (text.replace("1.50", "9.50"), "rows were changed, added, left out"),
            (rehashed, "rows were changed, added, left out"),
            (join(&[lines[0], lines[2], lines[1], lines[3]]), "put in another order"),
            (join(&[lines[0], lines[1], lines[3]]), "there are 2 rows; 3 were signed"),
            (join(&lines[..3]), "no signature at the end"),
            (text.trim_end().to_owned(), "line 4 has no end"),
            (join(&[lines[0], lines[3], lines[1], lines[2]]), "line 3 stands behind the signature"),
            (join(&["{}", lines[0]]), "line 1 is neither a row nor a signature"),
            (text.replace("\"job\"", "\"joc\""), "the signature is not of this key"),
            (
                text.replace(&signer().public_key(), &other.public_key()),
                "the signature is not of this key",
            ),
            (text.replace("\"version\":1", "\"version\":2"), "the form 2"),
            (String::new(), "no signature at the end"),
        ] {
            let found = differs(&text, None);
            assert!(found.iter().any(|one| one.contains(expected)), "{expected}: {found:?}");
        }
        let found = differs(&text, Some(&other.public_key()));
        assert!(found.len() == 1 && found[0].contains("not with"), "{found:?}");
    }

    #[test]
    fn a_key_is_read_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let one = Signer::generate().unwrap();
        assert_ne!(one.public_key(), Signer::generate().unwrap().public_key());
        fs::write(&path, one.secret() + "\n").unwrap();
        assert_eq!(Signer::open(&path).unwrap().public_key(), one.public_key());
        assert!(is_public_key(&one.public_key()) && !is_public_key("x"));
        fs::write(&path, "nothing").unwrap();
        assert!(matches!(Signer::open(&path), Err(SigningError::NoKey(_))));
        let missing = folder.path().join("missing");
        assert!(matches!(Signer::open(&missing), Err(SigningError::Unreadable { .. })));
    }
}
