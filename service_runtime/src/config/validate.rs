//! Ranges and contradictions.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use tracing_subscriber::EnvFilter;
use url::Url;

use super::continuous::ContinuousSettings;
use super::endpoints::{ChainSettings, PriceSource, ProviderKind, ProviderSettings};
use super::limits::networks;
use super::secret::SecretUrl;
use super::settings::Settings;
use super::webhooks::WebhookTenant;

/// One day in seconds: no wait in this service is sensibly longer.
const DAY: u64 = 86_400;

/// Most origins whose pages may read answers: each request is compared with all of them.
const MOST_ORIGINS: usize = 100;

/// Every one signs every delivery; more than two are of no use for long.
const MOST_SECRETS: usize = 10;

/// Most `webhooks.root_secrets`: the old one and the new one, and one to spare.
const MOST_ROOTS: usize = 3;

/// Most secrets of a tenant from one of those.
const MOST_GENERATIONS: usize = 3;

/// Collects what is wrong, as (key, problem).
#[derive(Default)]
struct Violations(Vec<(String, String)>);

impl Violations {
    fn add(&mut self, key: &str, problem: impl Into<String>) {
        self.0.push((key.to_owned(), problem.into()));
    }

    fn range(&mut self, key: &str, value: impl Into<u64>, allowed: RangeInclusive<u64>) {
        let value = value.into();
        if !allowed.contains(&value) {
            let (low, high) = (allowed.start(), allowed.end());
            self.add(key, format!("{value} is out of range, allowed are {low} to {high}"));
        }
    }

    fn url(&mut self, key: &str, url: &SecretUrl, schemes: &[&str]) {
        // The parser's own words are safe: they never quote the URL.
        match Url::parse(url.expose()) {
            Err(error) => self.add(key, format!("not a URL: {error}")),
            Ok(parsed) if !schemes.contains(&parsed.scheme()) => self.add(
                key,
                format!("scheme {:?} is not one of {}", parsed.scheme(), schemes.join(", ")),
            ),
            Ok(_) => {}
        }
    }
}

impl Settings {
    /// Brings values with several spellings to one: EVM contracts to lower case.
    pub(super) fn normalize(&mut self) {
        let coins = &mut self.prices.stablecoins;
        for list in [&mut coins.ethereum, &mut coins.base, &mut coins.binance_smart_chain] {
            for address in list {
                address.make_ascii_lowercase();
            }
        }
        let chains = &mut self.chains;
        for chain in [&mut chains.ethereum, &mut chains.base, &mut chains.binance_smart_chain] {
            chain.wrapped_native.make_ascii_lowercase();
            for address in &mut chain.priced_tokens {
                address.make_ascii_lowercase();
            }
        }
    }

    /// Everything that is out of range or contradicts something else, as (key, problem).
    pub(super) fn violations(&self) -> Vec<(String, String)> {
        let mut found = Violations::default();
        self.check_listeners(&mut found);
        self.check_stores(&mut found);
        self.check_work(&mut found);
        for (chain, settings) in self.chains.iter() {
            check_providers(chain, &settings.providers, &mut found);
            check_chain(chain, settings, &mut found);
        }
        self.check_prices(&mut found);
        found.0
    }

    fn check_listeners(&self, found: &mut Violations) {
        for (key, host) in [("api.host", &self.api.host), ("admin.host", &self.admin.host)] {
            if host.trim().is_empty() {
                found.add(key, "empty; 127.0.0.1 listens locally, 0.0.0.0 on all interfaces");
            }
        }
        if self.api.port != 0
            && self.api.port == self.admin.port
            && self.api.host == self.admin.host
        {
            found.add("admin.port", format!("{} is api.port too", self.admin.port));
        }
        found.range("api.request_timeout_seconds", self.api.request_timeout_seconds, 1..=3600);
        found.range("api.max_connections", self.api.max_connections, 1..=1_000_000);
        if self.api.cors_origins.len() > MOST_ORIGINS {
            found.add("api.cors_origins", format!("has more than {MOST_ORIGINS} origins"));
        }
        for origin in &self.api.cors_origins {
            if !is_origin(origin) {
                let problem = format!(
                    "{origin:?} is no origin as browsers write it, such as https://app.example.org or http://localhost:3000"
                );
                found.add("api.cors_origins", problem);
            }
        }
        found.range("api.max_body_bytes", self.api.max_body_bytes, 1024..=1 << 30);
        found.range("api.max_wallets", self.api.max_wallets, 1..=1_000_000);
        found.range("api.max_at_work", self.api.max_at_work, 0..=100_000);
        found.range("api.max_files", self.api.max_files, 1..=10_000);
        found.range("api.max_streamed_wallets", self.api.max_streamed_wallets, 1..=200_000);
        found.range("api.compression_min_bytes", self.api.compression_min_bytes, 0..=1 << 20);
        found.range("cache.memory_mb", self.cache.memory_mb, 0..=1 << 20);
        found.range("cache.version_ms", self.cache.version_ms, 0..=10_000);
        found.range("cache.warm_up_answers", self.cache.warm_up_answers, 0..=1000);
        found.range("cache.summary_refresh_seconds", self.cache.summary_refresh_seconds, 1..=DAY);
        found.range("live.max_waiting", self.live.max_waiting, 1..=100_000);
        found.range("live.max_streams", self.live.max_streams, 1..=100_000);
        found.range("live.ping_seconds", self.live.ping_seconds, 1..=3600);
        found.range("live.slow_client_seconds", self.live.slow_client_seconds, 1..=3600);
        self.check_webhooks(found);
        let limits = &self.limits;
        for (key, most) in [
            ("limits.results_per_minute", limits.results_per_minute),
            ("limits.wallets_per_minute", limits.wallets_per_minute),
            ("limits.services_per_minute", limits.services_per_minute),
            ("limits.default_per_minute", limits.default_per_minute),
        ] {
            found.range(key, most, 0..=100_000);
        }
        for (key, list) in [
            ("limits.unlimited", &limits.unlimited),
            ("limits.trusted_proxies", &limits.trusted_proxies),
        ] {
            if let Err(error) = networks(list) {
                found.add(key, error.to_string());
            }
        }
        let slow = &self.slow_log;
        for (key, milliseconds) in [
            ("slow_log.health_ms", slow.health_ms),
            ("slow_log.simple_ms", slow.simple_ms),
            ("slow_log.kept_ms", slow.kept_ms),
            ("slow_log.complex_ms", slow.complex_ms),
            ("slow_log.what_if_ms", slow.what_if_ms),
            ("slow_log.report_ms", slow.report_ms),
            ("slow_log.export_ms", slow.export_ms),
            ("slow_log.submit_ms", slow.submit_ms),
        ] {
            found.range(key, milliseconds, 0..=3_600_000);
        }
        if let Err(error) = EnvFilter::try_new(&self.log.filter) {
            found.add("log.filter", error.to_string());
        }
    }

    fn check_webhooks(&self, found: &mut Violations) {
        let webhooks = &self.webhooks;
        found.range("webhooks.timeout_seconds", webhooks.timeout_seconds, 1..=30);
        found.range("webhooks.max_under_way", webhooks.max_under_way, 1..=256);
        for (key, secrets, most) in [
            ("webhooks.secrets", &webhooks.secrets, MOST_SECRETS),
            ("webhooks.root_secrets", &webhooks.root_secrets, MOST_ROOTS),
        ] {
            if secrets.len() > most {
                found.add(key, format!("more than {most}"));
            }
            for (index, secret) in secrets.iter().enumerate() {
                if !secret.is_well_formed() {
                    let problem =
                        "no secret: expected whsec_ and the base64 text of 24 to 64 bytes";
                    found.add(&format!("{key}.{index}"), problem);
                }
            }
        }
        if webhooks.root_secrets.iter().any(|root| webhooks.secrets.contains(root)) {
            let problem = "one is in webhooks.secrets, which receivers know: whoever knows it knows the secrets of all tenants";
            found.add("webhooks.root_secrets", problem);
        }
        if !webhooks.tenants.is_empty() && webhooks.root_secrets.is_empty() {
            let problem = "needs webhooks.root_secrets, of which the secrets of tenants are made; set them, or leave this out";
            found.add("webhooks.tenants", problem);
        }
        for (index, tenant) in webhooks.tenants.iter().enumerate() {
            let key = format!("webhooks.tenants.{index}");
            let same = |other: &WebhookTenant| other.name == tenant.name;
            if !is_tenant(&tenant.name) || webhooks.tenants[..index].iter().any(same) {
                let problem = format!("{:?} is no name of a tenant, or named twice", tenant.name);
                found.add(&format!("{key}.name"), problem);
            }
            if !(1..=MOST_GENERATIONS).contains(&tenant.generations.len()) {
                let problem = format!("expected 1 to {MOST_GENERATIONS} numbers");
                found.add(&format!("{key}.generations"), problem);
            }
            if !tenant.generations.is_sorted_by(|newer, older| newer > older) {
                let problem = "expected each number once, the newest (greatest) first";
                found.add(&format!("{key}.generations"), problem);
            }
        }
        for (index, host) in webhooks.allowed_hosts.iter().enumerate() {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let is_host = |b: u8| {
                b.is_ascii_lowercase()
                    || b.is_ascii_digit()
                    || matches!(b, b'-' | b'.' | b':' | b'[' | b']')
            };
            // The dot at the end of a full name is not compared.
            let has_labels = !name.is_empty() && !name.starts_with('.') && !name.ends_with('.');
            if !has_labels || !name.bytes().all(is_host) {
                let problem =
                    "no host: expected small letters, such as hooks.example.org or *.example.org";
                found.add(&format!("webhooks.allowed_hosts.{index}"), problem);
            }
        }
    }

    fn check_stores(&self, found: &mut Violations) {
        let database = &self.database;
        if !database.postgres_url.is_empty() {
            found.url("database.postgres_url", &database.postgres_url, &["postgres", "postgresql"]);
        } else if database.data_dir.as_os_str().is_empty() {
            found.add("database.data_dir", "empty, and database.postgres_url is empty too");
        }
        for (key, url) in [
            ("database.direct_url", &database.direct_url),
            ("database.read_url", &database.read_url),
        ] {
            if url.is_empty() {
                continue;
            }
            found.url(key, url, &["postgres", "postgresql"]);
            if database.postgres_url.is_empty() {
                found.add(
                    key,
                    "needs database.postgres_url; an own cluster has neither pooler nor replica",
                );
            }
        }
        if !self.redis.url.is_empty() {
            found.url("redis.url", &self.redis.url, &["redis", "rediss", "redis+unix", "unix"]);
        }
        found.range("database.read_max_connections", database.read_max_connections, 1..=10_000);
        found.range("database.read_max_lag_seconds", database.read_max_lag_seconds, 1..=3600);
        found.range("database.max_connections", database.max_connections, 1..=10_000);
        if database.min_connections > database.max_connections {
            found.add(
                "database.min_connections",
                format!(
                    "{} is more than database.max_connections = {}",
                    database.min_connections, database.max_connections
                ),
            );
        }
        for (key, seconds) in [
            ("database.acquire_timeout_seconds", database.acquire_timeout_seconds),
            ("database.idle_timeout_seconds", database.idle_timeout_seconds),
            ("database.max_lifetime_seconds", database.max_lifetime_seconds),
            ("database.statement_timeout_seconds", database.statement_timeout_seconds),
            (
                "database.request_statement_timeout_seconds",
                database.request_statement_timeout_seconds,
            ),
            (
                "database.export_statement_timeout_seconds",
                database.export_statement_timeout_seconds,
            ),
        ] {
            found.range(key, seconds, 1..=DAY);
        }
    }

    fn check_work(&self, found: &mut Violations) {
        found.range("batch.max_concurrent", self.batch.max_concurrent, 1..=10_000);
        found.range("batch.idempotency_hours", self.batch.idempotency_hours, 1..=8760);
        found.range("batch.queue_limit", self.batch.queue_limit, 1..=10_000);
        let continuous = &self.continuous;
        let most = ContinuousSettings::MOST_INTERVAL_SECONDS.into();
        let least = continuous.least_interval_seconds;
        found.range("continuous.least_interval_seconds", least, 1..=most);
        let default = continuous.default_interval_seconds;
        found.range("continuous.default_interval_seconds", default, least.into()..=most);
        found.range("continuous.max_wallets", continuous.max_wallets, 1..=1_000_000);
        found.range("continuous.max_under_way", continuous.max_under_way, 1..=10_000);
        found.range("continuous.park_after", continuous.park_after, 1..=1000);
        let retention = &self.retention;
        // Use is marked to the day, so one day is no span to keep something for.
        if retention.raw_transactions_days != 0 {
            found.range(
                "retention.raw_transactions_days",
                retention.raw_transactions_days,
                2..=36_500,
            );
        }
        found.range("retention.results_days", retention.results_days, 0..=36_500);
        found.range("retention.rounds_hours", retention.rounds_hours, 1..=87_600);
        found.range(
            "retention.replaced_ledgers_hours",
            retention.replaced_ledgers_hours,
            0..=87_600,
        );
        found.range("retention.interval_minutes", retention.interval_minutes, 1..=10_080);
        found.range("retention.rows_per_step", retention.rows_per_step, 1..=100_000);
        let worker = &self.worker;
        found.range("worker.wallet_permits", worker.wallet_permits, 1..=1000);
        found.range("worker.wallet_timeout_seconds", worker.wallet_timeout_seconds, 1..=DAY);
        found.range("worker.lease_seconds", worker.lease_seconds, 1..=3600);
        found.range("worker.poll_interval_ms", worker.poll_interval_ms, 10..=60_000);
        found.range("worker.shutdown_grace_seconds", worker.shutdown_grace_seconds, 0..=3600);
        found.range("worker.call_timeout_seconds", worker.call_timeout_seconds, 1..=3600);
        found.range("worker.call_tries", worker.call_tries, 1..=100);
        found.range("worker.max_attempts", worker.max_attempts, 1..=1000);
        found.range("worker.max_continuations", worker.max_continuations, 1..=1_000_000);
        found.range("worker.max_takeovers", worker.max_takeovers, 1..=1_000_000);
        found.range("worker.outage_limit_minutes", worker.outage_limit_minutes, 1..=10_080);
        found.range("worker.backoff_seconds", worker.backoff_seconds, 0..=3600);
        found.range("worker.max_token_accounts", worker.max_token_accounts, 1..=1_000_000);
        found.range("worker.max_transactions", worker.max_transactions, 1..=100_000_000);
        found.range("worker.fetch_concurrency", worker.fetch_concurrency, 1..=256);
    }

    fn check_prices(&self, found: &mut Violations) {
        for (index, source) in self.prices.sources.iter().enumerate() {
            let key = format!("prices.sources.{index}");
            match source {
                PriceSource::Csv { path } if path.as_os_str().is_empty() => {
                    found.add(&format!("{key}.path"), "empty");
                }
                PriceSource::Csv { .. } => {}
                PriceSource::Llama { url, requests_per_second } => {
                    found.url(&format!("{key}.url"), url, &["http", "https"]);
                    found.range(
                        &format!("{key}.requests_per_second"),
                        *requests_per_second,
                        1..=100_000,
                    );
                }
            }
        }
        for (chain, coins) in self.prices.stablecoins.iter() {
            for (index, coin) in coins.iter().enumerate() {
                let key = format!("prices.stablecoins.{chain}.{index}");
                if !is_token(chain, coin) {
                    found.add(&key, format!("no token address of {chain}"));
                } else if coins[..index].contains(coin) {
                    found.add(&key, "listed twice");
                }
            }
        }
    }
}

fn check_chain(chain: &str, settings: &ChainSettings, found: &mut Violations) {
    let wrapped = &settings.wrapped_native;
    let is_solana = chain == "solana";
    if is_solana && (settings.confirmations != 0 || !wrapped.is_empty()) {
        found.add("chains.solana", "confirmations and wrapped_native are for EVM chains");
    } else if !wrapped.is_empty() && !is_token(chain, wrapped) {
        found.add(&format!("chains.{chain}.wrapped_native"), "no contract address");
    }
    let has_node = settings.providers.iter().any(|one| one.kind == ProviderKind::EvmRpc);
    if !is_solana && !settings.providers.is_empty() && !has_node {
        let problem = "needs a provider of kind evm-rpc, also beside an explorer";
        found.add(&format!("chains.{chain}.providers"), problem);
    }
    for (index, token) in settings.priced_tokens.iter().enumerate() {
        if !is_token(chain, token) {
            let key = format!("chains.{chain}.priced_tokens.{index}");
            found.add(&key, format!("no token address of {chain}"));
        }
    }
}

fn check_providers(chain: &str, providers: &[ProviderSettings], found: &mut Violations) {
    let mut names = BTreeSet::new();
    for (index, provider) in providers.iter().enumerate() {
        let key = format!("chains.{chain}.providers.{index}");
        let is_name = !provider.name.is_empty()
            && provider.name.len() <= 64
            && provider
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !is_name {
            found.add(
                &format!("{key}.name"),
                "must be 1 to 64 letters, digits, dashes, underscores or dots",
            );
        } else if !names.insert(&provider.name) {
            found.add(&format!("{key}.name"), format!("{:?} is there twice", provider.name));
        }
        let is_solana_kind = provider.kind == ProviderKind::SolanaRpc;
        if is_solana_kind != (chain == "solana") {
            found.add(
                &format!("{key}.kind"),
                format!("{} does not speak for {chain}", provider.kind.as_str()),
            );
        }
        found.url(&format!("{key}.url"), &provider.url, &["http", "https"]);
        check_url_of_chain(chain, &format!("{key}.url"), provider, found);
        found.range(
            &format!("{key}.requests_per_second"),
            provider.requests_per_second,
            1..=100_000,
        );
        let price = &provider.price_per_thousand_calls_usd;
        if !price.is_empty() && !is_price(price) {
            found.add(
                &format!("{key}.price_per_thousand_calls_usd"),
                "no decimal text such as \"0.05\": up to six digits, and up to nine places",
            );
        }
    }
}

/// A URL of an explorer for several chains may name one: then it must be this one, or the lists of
/// another chain would be read.
fn check_url_of_chain(chain: &str, key: &str, provider: &ProviderSettings, found: &mut Violations) {
    let expected = match chain {
        "ethereum" => "1",
        "base" => "8453",
        "binance-smart-chain" => "56",
        _ => return,
    };
    let Ok(url) = Url::parse(provider.url.expose()) else { return };
    for (name, named) in url.query_pairs() {
        if provider.kind == ProviderKind::Etherscan
            && matches!(&*name, "chainid" | "chain_id")
            && named != expected
        {
            found.add(key, format!("names chain {named:?}, not {expected} ({chain})"));
        }
    }
}

/// Whether browsers write an origin so: what they send is compared letter by letter.
fn is_origin(text: &str) -> bool {
    let is_so = |url: Url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    };
    Url::parse(text).is_ok_and(is_so)
}

/// Whether the text is a price whose thousandth is exact in every sum.
fn is_price(text: &str) -> bool {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(whole, 6) && digits(places, 9)
}

/// Whether the text looks like a token of the chain: base58 of the length of a key, or 0x and
/// 40 hexadecimal digits.
fn is_token(chain: &str, text: &str) -> bool {
    if chain == "solana" {
        let is_base58 =
            |b: u8| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l');
        return (32..=44).contains(&text.len()) && text.bytes().all(is_base58);
    }
    text.strip_prefix("0x")
        .is_some_and(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether this may be the name of a tenant.
fn is_tenant(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'_'))
        && name.bytes().next().is_some_and(is_plain)
}
