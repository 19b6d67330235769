//! Layers to settings, and settings to text.

use std::ffi::OsString;
use std::path::Path;

use figment::Figment;
use figment::error::{Actual, Kind};

use super::error::{ConfigError, Problem};
use super::settings::Settings;
use super::source;

/// The file that is read when none is named and it exists.
const DEFAULT_FILE: &str = "config.toml";

/// The origin of a value that nobody set.
const DEFAULT_ORIGIN: &str = "the default";

impl Settings {
    /// Reads the settings of this process: `file`, else `./config.toml` when it exists, and the
    /// environment.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, text that is no TOML, an unknown key or `PNL_` variable, a
    /// value of the wrong type or out of range, values that contradict each other.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let default_file = Path::new(DEFAULT_FILE);
        let file = file.or_else(|| default_file.is_file().then_some(default_file));
        let variables = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        Self::from_sources(file, variables)
    }

    /// Reads the settings from a file and the given environment alone.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn from_sources(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let known = known_keys();
        let mut problems = Vec::new();
        let mut figment = Figment::new();
        if let Some(path) = file {
            figment = figment.merge(source::file_layer(path, &known, &mut problems)?);
        }
        let mut variables: Vec<(String, String)> = environment.into_iter().collect();
        variables.sort();
        for layer in source::environment_layers(&variables, &known, &mut problems)? {
            figment = figment.merge(layer);
        }
        // An unknown key would be reported a second time, in poorer words, by the typed reading.
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        let mut settings: Self = figment.extract().map_err(|errors| {
            ConfigError::Invalid(errors.into_iter().map(type_problem).collect())
        })?;
        settings.normalize();
        // A smaller pool than usual needs one key, not two; a stated contradiction is refused.
        if origin_of(&figment, "database.min_connections") == DEFAULT_ORIGIN {
            let database = &mut settings.database;
            database.min_connections = database.min_connections.min(database.max_connections);
        }
        let found = settings.violations();
        if found.is_empty() {
            return Ok(settings);
        }
        let problems = found.into_iter().map(|(key, problem)| Problem {
            origin: origin_of(&figment, &key),
            key,
            problem,
        });
        Err(ConfigError::Invalid(problems.collect()))
    }

    /// The effective settings as TOML, secrets replaced by `***`.
    pub fn redacted_toml(&self) -> String {
        // Serialization of a URL is its redacted form, so that nothing can leak here.
        toml::to_string_pretty(self).expect("tables, strings, lists and numbers fit into TOML")
    }

    /// Every text that must not appear in a log: passwords and keys of all URLs, and what webhooks are signed with.
    pub fn secrets(&self) -> Vec<String> {
        let providers = self.chains.iter().flat_map(|(_, chain)| &chain.providers);
        let prices = self.prices.sources.iter().filter_map(|source| source.url());
        let webhooks = self.webhooks.secrets.iter().chain(&self.webhooks.root_secrets);
        let urls = [&self.database.postgres_url, &self.redis.url];
        urls.into_iter()
            .chain(providers.map(|provider| &provider.url))
            .chain(prices)
            .flat_map(super::SecretUrl::secrets)
            .chain(webhooks.map(|secret| secret.expose().to_owned()))
            .collect()
    }
}

/// All keys with their defaults; sections are objects, everything else is a key.
fn known_keys() -> serde_json::Value {
    serde_json::to_value(Settings::default())
        .expect("tables, strings, lists and numbers fit into JSON")
}

fn lossy(text: OsString) -> String {
    text.to_string_lossy().into_owned()
}

/// Where the value of a key came from; for a member of a list, where the list came from.
fn origin_of(figment: &Figment, key: &str) -> String {
    let mut key = key;
    loop {
        if let Some(metadata) = figment.find_metadata(key) {
            return metadata.name.to_string();
        }
        match key.rsplit_once('.') {
            Some((parent, _)) if parent.contains('.') => key = parent,
            _ => return DEFAULT_ORIGIN.to_owned(),
        }
    }
}

/// Rewrites a typing error. Text values are not quoted: they could hold a secret.
fn type_problem(error: figment::Error) -> Problem {
    let mut path = error.path.clone();
    let problem = match error.kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("found {}, expected {expected}", without_text(&actual))
        }
        Kind::UnknownVariant(_, known) => format!("unknown value; known are {}", known.join(", ")),
        Kind::UnknownField(name, known) => {
            if path.last() != Some(&name) {
                path.push(name);
            }
            format!("unknown key; known here are {}", known.join(", "))
        }
        Kind::MissingField(name) => {
            path.push(name.into_owned());
            "missing".to_owned()
        }
        other => other.to_string(),
    };
    let origin = error.metadata.map_or(DEFAULT_ORIGIN.to_owned(), |m| m.name.to_string());
    Problem { key: path.join("."), problem, origin }
}

fn without_text(actual: &Actual) -> String {
    match actual {
        Actual::Str(_) | Actual::Char(_) | Actual::Bytes(_) | Actual::Other(_) => {
            "a text".to_owned()
        }
        Actual::Map => "a table".to_owned(),
        Actual::Seq => "a list".to_owned(),
        Actual::Unsigned(number) => format!("the number {number}"),
        Actual::Signed(number) => format!("the number {number}"),
        other => other.to_string(),
    }
}
