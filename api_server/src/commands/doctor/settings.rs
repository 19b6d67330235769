//! Settings that are valid one by one and do not fit together.

use job_orchestrator::sources::offered_chains;
use service_runtime::config::{AuthMode, Settings};

use super::Findings;

/// Connections that a worker needs beside one for each wallet: claims, heartbeats, sweeps, requests.
const BESIDE_WALLETS: u32 = 4;

/// A shorter lease is lost by a pause that a database may well take.
const SHORT_LEASE_SECONDS: u64 = 10;

pub fn check(settings: &Settings, findings: &mut Findings) {
    const SUBJECT: &str = "configuration";
    let (api, database, worker) = (&settings.api, &settings.database, &settings.worker);
    let works = settings.service.role.works_on_wallets();
    let contradictions = [
        (
            works && worker.lease_seconds < SHORT_LEASE_SECONDS,
            format!(
                "worker.lease_seconds = {}: a database that pauses for so long costs every running \
                 wallet its lease; 30 is the default",
                worker.lease_seconds
            ),
        ),
        (
            works && worker.call_timeout_seconds >= worker.wallet_timeout_seconds,
            format!(
                "worker.call_timeout_seconds = {} is no less than worker.wallet_timeout_seconds = {}: \
                 one call can take a whole attempt; lower the first",
                worker.call_timeout_seconds, worker.wallet_timeout_seconds
            ),
        ),
        (
            settings.service.role.serves_requests()
                && database.acquire_timeout_seconds > api.request_timeout_seconds,
            format!(
                "database.acquire_timeout_seconds = {} is more than api.request_timeout_seconds = {}: \
                 requests give up before the database is given up; lower the first",
                database.acquire_timeout_seconds, api.request_timeout_seconds
            ),
        ),
        (
            works && database.max_connections < worker.wallet_permits + BESIDE_WALLETS,
            format!(
                "database.max_connections = {} is few for worker.wallet_permits = {}: use at least {}",
                database.max_connections,
                worker.wallet_permits,
                worker.wallet_permits + BESIDE_WALLETS
            ),
        ),
        (
            settings.auth.mode == AuthMode::Keys
                && !settings.webhooks.secrets.is_empty()
                && settings.webhooks.root_secrets.is_empty(),
            "auth.mode = keys with webhooks.secrets alone: they sign for all tenants, so the receivers of one can send \
             messages as ours to those of another; set webhooks.root_secrets"
                .to_owned(),
        ),
        (
            offered_chains(settings).is_empty(),
            "no chain has a provider, so every submission is refused; name one at \
             [[chains.solana.providers]]"
                .to_owned(),
        ),
        (
            works && settings.prices.sources.is_empty(),
            "no price source is configured, so only listed stablecoins have a value; name one at \
             [[prices.sources]]"
                .to_owned(),
        ),
        (
            works
                && settings
                    .chains
                    .solana
                    .providers
                    .iter()
                    .any(|provider| provider.url.expose().contains("api.mainnet-beta.solana.com")),
            "the public Solana endpoint is for trying only; name your own at \
             [[chains.solana.providers]]"
                .to_owned(),
        ),
    ];
    let mut is_fine = true;
    if let Err(error) = settings.check_exposure(settings.service.role) {
        findings.fail(SUBJECT, error);
        is_fine = false;
    }
    for (_, text) in contradictions.into_iter().filter(|(holds, _)| *holds) {
        findings.warn(SUBJECT, text);
        is_fine = false;
    }
    if is_fine {
        findings.ok(SUBJECT, "every key is known and fits the others");
    }
}

#[cfg(test)]
mod tests {
    use service_runtime::config::{Role, SigningSecret};

    use super::super::Level;
    use super::*;

    #[test]
    fn contradictions_name_their_keys() {
        let mut settings = Settings::default();
        settings.worker.lease_seconds = 3;
        settings.worker.call_timeout_seconds = 200;
        settings.database.acquire_timeout_seconds = 60;
        settings.database.max_connections = 6;
        settings.prices.sources.clear();
        settings.api.host = "0.0.0.0".to_owned();
        let mut findings = Findings::default();
        check(&settings, &mut findings);
        for key in [
            "worker.lease_seconds = 3",
            "worker.call_timeout_seconds = 200",
            "database.acquire_timeout_seconds = 60",
            "database.max_connections = 6",
            "no price source",
            "public Solana endpoint",
        ] {
            assert!(findings.0.iter().any(|found| found.text.contains(key)), "{key}");
        }
        let failed = findings.0.iter().find(|found| found.level == Level::Fail).unwrap();
        assert!(failed.text.contains("auth.allow_open_public"), "{}", failed.text);

        // What a worker would do wrong is no matter to a process that has none, and the other way round.
        for (role, expected) in [(Role::Api, 2), (Role::Worker, 5)] {
            settings.service.role = role;
            let mut findings = Findings::default();
            check(&settings, &mut findings);
            assert_eq!(findings.0.len(), expected, "{role:?} {findings:?}");
        }

        let mut shared = Settings::default();
        shared.auth.mode = AuthMode::Keys;
        shared.webhooks.secrets = vec![SigningSecret::new("whsec_")];
        for (roots, expected) in [(Vec::new(), true), (vec![SigningSecret::new("root")], false)] {
            shared.webhooks.root_secrets = roots;
            let mut findings = Findings::default();
            check(&shared, &mut findings);
            let is_told =
                findings.0.iter().any(|found| found.text.contains("webhooks.secrets alone"));
            assert_eq!(is_told, expected, "{findings:?}");
        }

        let mut own = Settings::default();
        own.chains.solana.providers[0].url = service_runtime::config::SecretUrl::new("http://node");
        let mut findings = Findings::default();
        check(&own, &mut findings);
        assert_eq!(findings.worst(), Level::Ok, "{findings:?}");
    }
}
