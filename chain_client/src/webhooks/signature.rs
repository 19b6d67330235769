//! Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over id, time and body.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Bytes of a secret, as the standard has them.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A text is no secret; it is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no secret: expected whsec_ and the base64 text of 24 to 64 random bytes")]
pub struct BadSecret;

/// Signs with every secret of a list: a receiver takes a message of which one signature is right, so secrets can be
/// changed one side after the other.
pub struct Signer(Vec<Hmac<Sha256>>);

impl fmt::Debug for Signer {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.0.len()).finish()
    }
}

impl Signer {
    /// Signs with `secrets`, the first of which stands first.
    ///
    /// # Errors
    /// [`BadSecret`] for one that is none.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, BadSecret> {
        secrets.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature` of a message that is sent at `timestamp` (Unix seconds).
    pub fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut mac = key.clone();
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn read(secret: &str) -> Result<Hmac<Sha256>, BadSecret> {
    let text = secret.strip_prefix(PREFIX).ok_or(BadSecret)?;
    let bytes = STANDARD.decode(text).map_err(|_| BadSecret)?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        return Err(BadSecret);
    }
    Hmac::new_from_slice(&bytes).map_err(|_| BadSecret)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the libraries of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, at, body) =
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let signer = Signer::new([secret]).unwrap();
        assert_eq!(signer.sign(id, at, body), expected);
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = Signer::new([other.as_str(), secret]).unwrap().sign(id, at, body);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, expected);
        assert!(first.starts_with("v1,") && first != expected, "{first}");
        assert!(!format!("{signer:?}").contains("Mf"));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_?"] {
            assert_eq!(Signer::new([bad]).unwrap_err(), BadSecret, "{bad}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert!(Signer::new([long.as_str()]).is_err());
    }
}
