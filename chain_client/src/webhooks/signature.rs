//! Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 over id, time and body.

use std::collections::BTreeMap;
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

/// What the secret of a tenant is made of stands before its name: nothing else is ever made of a root.
const TENANT_SECRET: &[u8] = b"pnl-tracker webhooks";

/// The number of a tenant's secret that was never changed.
const FIRST: &[u32] = &[1];

/// What deliveries are signed with.
///
/// A receiver takes a message of which one signature is right, so secrets can be changed one side after the other. A
/// tenant's are made of the roots: what one tenant knows tells it nothing of the others'.
#[derive(Default)]
pub struct Signer {
    /// Sign for all tenants.
    shared: Vec<Hmac<Sha256>>,
    roots: Vec<Hmac<Sha256>>,
    /// Numbers of the secrets of tenants that have others than the first, the newest first.
    generations: BTreeMap<String, Vec<u32>>,
}

impl fmt::Debug for Signer {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shared, roots) = (self.shared.len(), self.roots.len());
        f.debug_struct("Signer").field("shared", &shared).field("roots", &roots).finish()
    }
}

impl Signer {
    /// Signs with `secrets` for all tenants, the first of which stands first.
    ///
    /// # Errors
    /// [`BadSecret`] for one that is none.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, BadSecret> {
        let shared = secrets.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { shared, ..Self::default() })
    }

    /// Signs before that with the secrets of the tenant, which are made of `roots`: of each one those with the numbers that
    /// `generations` has for the tenant, or the first.
    ///
    /// # Errors
    /// [`BadSecret`] for a root that is none.
    pub fn with_roots<'a>(
        self,
        roots: impl IntoIterator<Item = &'a str>,
        generations: BTreeMap<String, Vec<u32>>,
    ) -> Result<Self, BadSecret> {
        let roots = roots.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { roots, generations, ..self })
    }

    /// The value of `webhook-signature` of a message to a receiver of `tenant` that is sent at `timestamp` (Unix seconds).
    pub fn sign(&self, tenant: &str, id: &str, timestamp: u64, body: &str) -> String {
        let signatures = self.keys_of(tenant).chain(self.shared.iter().cloned()).map(|mut mac| {
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// The secrets of `tenant` as its receivers take them, the newest first; none without roots.
    pub fn secrets_of(&self, tenant: &str) -> Vec<String> {
        let texts =
            self.bytes_of(tenant).map(|bytes| format!("{PREFIX}{}", STANDARD.encode(bytes)));
        texts.collect()
    }

    fn keys_of(&self, tenant: &str) -> impl Iterator<Item = Hmac<Sha256>> {
        self.bytes_of(tenant)
            .map(|bytes| Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length"))
    }

    fn bytes_of(&self, tenant: &str) -> impl Iterator<Item = [u8; 32]> {
        let numbers = self.generations.get(tenant).map_or(FIRST, Vec::as_slice);
        let pairs = self.roots.iter().flat_map(move |root| numbers.iter().map(move |n| (root, n)));
        pairs.map(move |(root, number)| {
            let mut mac = root.clone();
            // No name of a tenant has a zero byte, so no two are one text.
            for part in [TENANT_SECRET, b"\0", tenant.as_bytes(), b"\0", &number.to_be_bytes()] {
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        })
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
        assert_eq!(signer.sign("acme", id, at, body), expected);
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = Signer::new([other.as_str(), secret]).unwrap().sign("acme", id, at, body);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, expected);
        assert!(first.starts_with("v1,") && first != expected, "{first}");
        assert!(!format!("{signer:?}").contains("Mf"));
    }

    #[test]
    fn a_tenant_has_secrets_of_its_own_that_can_be_changed_without_loss() {
        let [shared, root, next] = [1, 2, 3].map(|n| format!("whsec_{}", STANDARD.encode([n; 32])));
        let signer = |roots: &[&String], generations: &[u32]| {
            let changed = BTreeMap::from([("acme".to_owned(), generations.to_vec())]);
            let roots = roots.iter().map(|root| root.as_str());
            Signer::new([shared.as_str()]).unwrap().with_roots(roots, changed).unwrap()
        };
        // By its definition: openssl dgst -sha256 -mac HMAC over "pnl-tracker webhooks\0acme\0\0\0\0\1".
        let first = signer(&[&root], &[1]);
        let [acme] = &first.secrets_of("acme")[..] else { panic!("one") };
        assert_eq!(acme, "whsec_2UAOrAdWM+MQVG4kg9UfBKdg3r+m9g9jLfFMCMRlcJ8=");
        let [bolt] = &first.secrets_of("bolt")[..] else { panic!("one") };
        assert!(acme != bolt && *acme != root);
        // What is signed for one is nothing to another one's receivers.
        let by = |secret: &String, tenant: &str, all: &Signer| {
            let own = Signer::new([secret.as_str()]).unwrap().sign("", "id", 1, "{}");
            all.sign(tenant, "id", 1, "{}").split(' ').any(|one| one == own)
        };
        assert!(by(acme, "acme", &first) && !by(acme, "bolt", &first));
        assert!(by(&shared, "acme", &first) && !by(&root, "acme", &first));
        // Changed for one tenant, and for all of them.
        let both = signer(&[&root], &[2, 1]);
        assert!(by(acme, "acme", &both) && by(bolt, "bolt", &both));
        let second = &both.secrets_of("acme")[0];
        assert!(second != acme && by(second, "acme", &both));
        assert!(!by(acme, "acme", &signer(&[&root], &[2])));
        let roots = signer(&[&next, &root], &[1]);
        assert!(by(acme, "acme", &roots) && by(bolt, "bolt", &roots));
        assert_eq!(roots.secrets_of("acme").len(), 2);
        assert!(Signer::new([]).unwrap().secrets_of("acme").is_empty());
        assert!(Signer::default().with_roots(["whsec_"], BTreeMap::new()).is_err());
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
