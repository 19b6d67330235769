//! Settings as an operator meets them: files, variables, mistakes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use service_runtime::config::{
    ConfigError, LogFormat, PriceSource, ProviderKind, Role, SecretUrl, Settings,
};
use tempfile::TempDir;

fn repository_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.toml")
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_env(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    Settings::from_sources(None, env(pairs))
}

fn from_toml(text: &str, pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pnl.toml");
    fs::write(&file, text).unwrap();
    Settings::from_sources(Some(&file), env(pairs))
}

/// The text of the error that the settings must have.
fn refusal(settings: Result<Settings, ConfigError>) -> String {
    settings.expect_err("must be refused").to_string()
}

#[test]
fn the_documented_file_equals_the_defaults_and_names_every_key() {
    let documented = Settings::from_sources(Some(&repository_file()), []).unwrap();
    assert_eq!(documented, Settings::default());
    assert_eq!(from_env(&[]).unwrap(), Settings::default());

    let file: toml::Value =
        toml::from_str(&fs::read_to_string(repository_file()).unwrap()).unwrap();
    let defaults = toml::Value::try_from(Settings::default()).unwrap();
    assert_eq!(keys(&file), keys(&defaults));
}

/// All keys with their sections; a list counts as one key.
fn keys(value: &toml::Value) -> Vec<String> {
    fn collect(value: &toml::Value, prefix: &str, found: &mut Vec<String>) {
        match value.as_table() {
            Some(table) => {
                for (key, inner) in table {
                    collect(inner, &format!("{prefix}.{key}"), found);
                }
            }
            None => found.push(prefix.to_owned()),
        }
    }
    let mut found = Vec::new();
    collect(value, "", &mut found);
    found.sort();
    found
}

#[test]
fn the_stronger_source_wins() {
    let file =
        "[database]\npostgres_url = \"postgres://file/a\"\n[redis]\nurl = \"redis://file\"\n";
    let url = |pairs: &[(&str, &str)]| {
        from_toml(file, pairs).unwrap().database.postgres_url.expose().to_owned()
    };
    let plain = ("DATABASE_URL", "postgres://plain/a");
    let own = ("PNL_DATABASE__POSTGRES_URL", "postgres://own/a");
    assert_eq!(url(&[]), "postgres://file/a");
    assert_eq!(url(&[plain]), "postgres://plain/a");
    assert_eq!(url(&[plain, own]), "postgres://own/a");
    assert_eq!(url(&[("DATABASE_URL", "")]), "postgres://file/a");
    assert_eq!(url(&[plain, ("PNL_DATABASE__POSTGRES_URL", "")]), "");

    let redis = from_toml(file, &[("REDIS_URL", "rediss://plain")]).unwrap().redis.url;
    assert_eq!(redis, SecretUrl::new("rediss://plain"));
}

#[test]
fn variables_reach_every_kind_of_key() {
    let settings = from_env(&[
        ("PNL_SERVICE__ROLE", "worker"),
        ("PNL_API__PORT", "0"),
        ("PNL_LOG__FORMAT", "json"),
        ("PNL_DATABASE__DATA_DIR", "2026"),
        (
            "PNL_CHAINS__SOLANA__PROVIDERS",
            r#"[{name="replay", kind="solana-rpc", url="http://127.0.0.1:8899/?k=a,b", requests_per_second=50}]"#,
        ),
        (
            "PNL_CHAINS__BINANCE_SMART_CHAIN__PROVIDERS",
            r#"[{"name":"own","kind":"evm-rpc","url":"https://bsc.example.org"}]"#,
        ),
        ("PNL_PRICES__SOURCES", r#"[{kind = "csv", path = "/srv/prices"}]"#),
        ("PNL_PRICES__STABLECOINS__BASE", r#"["0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"]"#),
        // No double underscore after PNL_, or another prefix: no configuration.
        ("PNL_WHATEVER", "1"),
        ("PNLX_API__NOPE", "1"),
    ])
    .unwrap();
    assert_eq!(settings.service.role, Role::Worker);
    assert_eq!(settings.api.port, 0);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.database.data_dir, Path::new("2026"));
    let provider = &settings.chains.solana.providers[0];
    assert_eq!(provider.url.expose(), "http://127.0.0.1:8899/?k=a,b");
    assert_eq!(provider.requests_per_second, 50);
    let provider = &settings.chains.get("binance-smart-chain").unwrap().providers[0];
    assert_eq!((provider.kind, provider.requests_per_second), (ProviderKind::EvmRpc, 4));
    assert_eq!(settings.prices.sources, [PriceSource::Csv { path: PathBuf::from("/srv/prices") }]);
    assert_eq!(
        settings.prices.stablecoins.get("base"),
        ["0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"]
    );
}

#[test]
fn a_secret_can_come_from_a_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("url");
    fs::write(&file, "postgres://pnl:s3cret@db/pnl\n").unwrap();
    let variable = ("PNL_DATABASE__POSTGRES_URL_FILE", file.to_str().unwrap());
    let settings = from_env(&[variable, ("DATABASE_URL", "postgres://weaker/a")]).unwrap();
    assert_eq!(settings.database.postgres_url.expose(), "postgres://pnl:s3cret@db/pnl");

    let both = refusal(from_env(&[variable, ("PNL_DATABASE__POSTGRES_URL", "postgres://a/b")]));
    assert!(
        both.starts_with("database.postgres_url: both PNL_DATABASE__POSTGRES_URL_FILE and"),
        "{both}"
    );
    let missing = refusal(from_env(&[("PNL_REDIS__URL_FILE", "/nowhere/at/all")]));
    assert_eq!(missing, "cannot read /nowhere/at/all");
}

#[test]
fn a_mistake_is_named_with_its_key_and_its_origin() {
    for (name, value, expected) in [
        (
            "PNL_WORKER__WALLET_PERMITS",
            "five",
            "worker.wallet_permits: expected a whole number (from environment variable PNL_WORKER__WALLET_PERMITS)",
        ),
        (
            "PNL_API__PORT",
            "65536",
            "api.port: found the number 65536, expected u16 (from environment variable PNL_API__PORT)",
        ),
        (
            "PNL_WORKER__LEASE_SECONDS",
            "0",
            "worker.lease_seconds: 0 is out of range, allowed are 1 to 3600 (from environment variable PNL_WORKER__LEASE_SECONDS)",
        ),
        (
            "PNL_WORKER__LEASE_SECOND",
            "9",
            "PNL_WORKER__LEASE_SECOND: no such key of the configuration; did you mean PNL_WORKER__LEASE_SECONDS? (from the environment)",
        ),
        (
            "PNL_BATCH__ADMISSION",
            "lottery",
            "batch.admission: unknown value; known are reject, queue (from environment variable PNL_BATCH__ADMISSION)",
        ),
        (
            "PNL_RETENTION__RAW_TRANSACTIONS_DAYS",
            "1",
            "retention.raw_transactions_days: 1 is out of range, allowed are 2 to 36500 (from environment variable PNL_RETENTION__RAW_TRANSACTIONS_DAYS)",
        ),
        (
            "PNL_API__CORS_ORIGINS",
            "[\"https://app.example\", \"*\"]",
            "api.cors_origins: \"*\" is no origin as browsers write it, such as https://app.example.org or http://localhost:3000 (from environment variable PNL_API__CORS_ORIGINS)",
        ),
        (
            "PNL_API__CORS_ORIGINS",
            "[\"https://app.example/\"]",
            "api.cors_origins: \"https://app.example/\" is no origin as browsers write it, such as https://app.example.org or http://localhost:3000 (from environment variable PNL_API__CORS_ORIGINS)",
        ),
        (
            "PNL_CHAINS__SOLANA",
            "[]",
            "PNL_CHAINS__SOLANA: no such key of the configuration; config.toml lists all (from the environment)",
        ),
    ] {
        assert_eq!(refusal(from_env(&[(name, value)])), expected);
    }
    // EnvFilter's own words follow the key.
    let filter = refusal(from_env(&[("PNL_LOG__FILTER", "info,=,==")]));
    assert!(filter.starts_with("log.filter: "), "{filter}");
}

#[test]
fn a_mistake_in_the_file_names_the_file() {
    let text = "[worker]\nwalet_permits = 5\n[api]\nfoo = 1\n[nowhere]\nx = 1\n";
    let lines = refusal(from_toml(text, &[]));
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].starts_with("api.foo: unknown key; known here are compression_min_bytes, "),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("nowhere: unknown key; known here are "), "{}", lines[1]);
    assert!(
        lines[2].starts_with(
            "worker.walet_permits: unknown key; did you mean \"wallet_permits\"? (from /"
        ),
        "{}",
        lines[2]
    );

    let text = "[[chains.solana.providers]]\nname = \"a\"\nkind = \"solana-rpc\"\n";
    let missing = refusal(from_toml(text, &[]));
    assert!(missing.starts_with("chains.solana.providers.0.url: missing (from /"), "{missing}");

    let section = refusal(from_toml("worker = 3\n", &[]));
    assert!(section.starts_with("worker: found the number 3, expected struct"), "{section}");
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    let small = from_env(&[("PNL_DATABASE__MAX_CONNECTIONS", "10")]).unwrap();
    assert_eq!(small.database.min_connections, 10);
    let pool = [("PNL_DATABASE__MAX_CONNECTIONS", "10"), ("PNL_DATABASE__MIN_CONNECTIONS", "20")];
    let pool = refusal(from_env(&pool));
    let says = "database.min_connections: 20 is more than database.max_connections = 10 (from ";
    assert!(pool.starts_with(says), "{pool}");
    let ports = refusal(from_env(&[("PNL_ADMIN__PORT", "8080")]));
    assert!(ports.starts_with("admin.port: 8080 is api.port too"), "{ports}");
    assert!(from_env(&[("PNL_ADMIN__PORT", "0"), ("PNL_API__PORT", "0")]).is_ok());

    let kind = r#"[{name="n", kind="evm-rpc", url="http://a/"}, {name="n", kind="solana-rpc", url="ftp://a/"}]"#;
    let kind = refusal(from_env(&[("PNL_CHAINS__SOLANA__PROVIDERS", kind)]));
    let lines: Vec<&str> = kind.lines().map(|l| l.split(" (from").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "chains.solana.providers.0.kind: evm-rpc does not speak for solana",
            "chains.solana.providers.1.name: \"n\" is there twice",
            "chains.solana.providers.1.url: scheme \"ftp\" is not one of http, https",
        ]
    );
    let url = r#"[{name="a", kind="evm-rpc", url="http://a/", requests_per_second=4}, {name="b", kind="etherscan", url="http://b/v2/api?chainid=1", requests_per_second=4}]"#;
    let base = refusal(from_env(&[("PNL_CHAINS__BASE__PROVIDERS", url)]));
    let says = "chains.base.providers.1.url: names chain \"1\", not 8453 (base)";
    assert!(base.starts_with(says), "{base}");
    assert!(from_env(&[("PNL_CHAINS__ETHEREUM__PROVIDERS", url)]).is_ok());
    let csv = refusal(from_env(&[("PNL_PRICES__SOURCES", r#"[{kind="csv", url="http://a/"}]"#)]));
    assert!(
        csv.starts_with("prices.sources.0: kind \"csv\" takes a path and nothing else"),
        "{csv}"
    );
    let folder = refusal(from_env(&[("PNL_DATABASE__DATA_DIR", "")]));
    assert!(folder.starts_with("database.data_dir: empty"), "{folder}");
}

/// Settings with a secret in every place that can hold one.
fn with_secrets() -> Settings {
    from_env(&[
        ("DATABASE_URL", "postgres://pnl:s3cret-db@db/pnl"),
        ("REDIS_URL", "redis://:s3cret-redis@cache/0"),
        (
            "PNL_CHAINS__SOLANA__PROVIDERS",
            r#"[{name="a", kind="solana-rpc", url="https://node.example.org/v2/s3cret-path?api-key=s3cret-query"},
                {name="b", kind="solana-rpc", url="https://s3cret-user:s3cret-pw@node.example.org/"}]"#,
        ),
        ("PNL_PRICES__SOURCES", r#"[{kind="llama", url="https://pro.llama.fi/s3cret-llama/"}]"#),
    ])
    .unwrap()
}

#[test]
fn no_output_of_the_settings_holds_a_secret() {
    let settings = with_secrets();
    let text = settings.redacted_toml();
    assert!(text.contains("postgres://pnl:***@db/pnl"), "{text}");
    assert!(text.contains("https://node.example.org/v2/***?api-key=***"), "{text}");
    for output in [
        text,
        format!("{settings:?}"),
        format!("{settings:#?}"),
        serde_json::to_string(&settings).unwrap(),
    ] {
        assert!(!output.contains("s3cret"), "{output}");
    }
    let mut secrets = settings.secrets();
    secrets.sort();
    assert_eq!(
        secrets,
        [
            "s3cret-db",
            "s3cret-llama",
            "s3cret-path",
            "s3cret-pw",
            "s3cret-query",
            "s3cret-redis",
            "s3cret-user"
        ]
    );
    // What is printed is itself a configuration.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("effective.toml");
    fs::write(&file, Settings::default().redacted_toml()).unwrap();
    assert!(Settings::from_sources(Some(&file), []).is_ok());
}

#[test]
fn no_refusal_quotes_a_value_that_could_be_a_secret() {
    for (name, value) in [
        ("PNL_CHAINS__SOLANA__PROVIDERS", "https://node.example.org/s3cret"),
        ("PNL_CHAINS__SOLANA__PROVIDERS", r#"["https://node.example.org/s3cret"]"#),
        ("PNL_CHAINS__SOLANA__PROVIDERS", r#"[{name="a", kind="s3cret", url="http://a/"}]"#),
        ("PNL_PRICES__SOURCES", r#"[{kind="llama", url=["s3cret"]}]"#),
        ("PNL_DATABASE__POSTGRES_URL", "pnl:s3cret@db"),
        ("DATABASE_URL", "postgres://pnl:s3cret@[::db/pnl"),
        ("REDIS_URL", "s3cret"),
        ("PNL_API__PORT", "s3cret"),
    ] {
        let text = refusal(from_env(&[(name, value)]));
        assert!(!text.contains("s3cret"), "{name}: {text}");
    }
    let text = refusal(from_toml("[database]\npostgres_url = \"postgres://a:s3cret@b\n", &[]));
    assert!(text.contains("pnl.toml:2: not TOML: "), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let text = refusal(from_toml("[database]\npostgres_url = [\"s3cret\"]\n", &[]));
    assert!(text.starts_with("database.postgres_url: found a list, expected a string"), "{text}");
}

#[test]
fn secrets_of_tenants_are_made_of_what_no_receiver_knows() {
    let (root, other) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    );
    let roots = ("PNL_WEBHOOKS__ROOT_SECRETS", format!("[\"{root}\"]"));
    let tenants = |list: &str| ("PNL_WEBHOOKS__TENANTS", list.to_owned());
    let load = |all: &[(&str, String)]| {
        from_env(&all.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
    };
    let settings = load(&[roots.clone(), tenants(r#"[{name="acme",generations=[2,1]}]"#)]).unwrap();
    assert!(settings.webhooks.is_on());
    assert_eq!(settings.webhooks.tenants[0].generations, [2, 1]);
    assert!(settings.secrets().contains(&root.to_owned()));
    assert!(!settings.redacted_toml().contains("MfKQ"));

    let shared = ("PNL_WEBHOOKS__SECRETS", format!("[\"{other}\", \"{root}\"]"));
    let text = refusal(load(&[roots.clone(), shared]));
    assert!(text.contains("webhooks.root_secrets") && !text.contains("MfKQ"), "{text}");
    for bad in [
        r#"[{name="Acme",generations=[1]}]"#,
        r#"[{name="acme",generations=[]}]"#,
        r#"[{name="acme",generations=[4,3,2,1]}]"#,
        r#"[{name="acme",generations=[1]},{name="acme",generations=[2]}]"#,
        r#"[{name="acme",generation=[1]}]"#,
        r#"[{name="acme",generations=[2,2]}]"#,
        r#"[{name="acme",generations=[1,2]}]"#,
    ] {
        let text = refusal(load(&[roots.clone(), tenants(bad)]));
        assert!(text.contains("webhooks.tenants"), "{bad}: {text}");
    }
    let without_roots = refusal(load(&[tenants(r#"[{name="acme",generations=[1]}]"#)]));
    assert!(without_roots.contains("webhooks.root_secrets"), "{without_roots}");
}

#[test]
fn secrets_of_webhooks_are_checked_and_never_shown() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let name = "PNL_WEBHOOKS__SECRETS";
    assert!(!Settings::default().webhooks.is_on());
    let settings = from_env(&[(name, &format!("[\"{secret}\"]"))]).unwrap();
    assert!(settings.webhooks.is_on());
    assert_eq!(settings.webhooks.secrets[0].expose(), secret);
    assert!(settings.secrets().contains(&secret.to_owned()));
    assert!(!settings.redacted_toml().contains("MfKQ"));
    assert!(!format!("{settings:?}").contains("MfKQ"));

    for bad in [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_MfKQ9r8",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa?w",
        // Bits behind the last byte.
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdMfKQ9=",
    ] {
        let text = refusal(from_env(&[(name, &format!("[\"{bad}\"]"))]));
        assert!(text.contains("webhooks.secrets.0") && !text.contains("MfKQ"), "{text}");
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets");
    fs::write(&file, format!("[\"{secret}\"]\n")).unwrap();
    let from_file = from_env(&[("PNL_WEBHOOKS__SECRETS_FILE", file.to_str().unwrap())]).unwrap();
    assert_eq!(from_file.webhooks, settings.webhooks);
    for (key, value) in [
        ("PNL_WEBHOOKS__TIMEOUT_SECONDS", "31"),
        ("PNL_WEBHOOKS__MAX_UNDER_WAY", "0"),
        ("PNL_WEBHOOKS__ALLOWED_HOSTS", r#"["https://example.org"]"#),
        ("PNL_WEBHOOKS__ALLOWED_HOSTS", r#"["Example.org"]"#),
        ("PNL_WEBHOOKS__ALLOWED_HOSTS", r#"["example.org."]"#),
        ("PNL_WEBHOOKS__ALLOWED_HOSTS", r#"[".example.org"]"#),
    ] {
        let text = refusal(from_env(&[(key, value)]));
        assert!(text.contains("webhooks."), "{text}");
    }
}
