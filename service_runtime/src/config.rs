//! The settings of the service.
//!
//! Where a value comes from, strongest first:
//!
//! 1. `PNL_<SECTION>__<KEY>` in the environment,
//! 2. `DATABASE_URL` and `REDIS_URL`,
//! 3. the file given with `--config`, else `./config.toml` when it exists,
//! 4. the defaults in [`settings`], which `config.toml` of the repository repeats and explains.
//!
//! `PNL_<SECTION>__<KEY>_FILE` names a file whose content is the value, for secrets that must not
//! stand in the environment. Only names with a double underscore after `PNL_` are configuration.
//!
//! A wrong value stops the start with a [`ConfigError`] that names the key, what is wrong with it
//! and where it came from. It never quotes a value that could hold a secret.

mod auth;
mod continuous;
mod endpoints;
mod error;
mod limits;
mod live;
mod load;
mod secret;
mod settings;
mod signing;
mod slow_log;
mod source;
mod validate;
mod webhooks;

pub use auth::{AuthMode, AuthSettings};
pub use continuous::ContinuousSettings;
pub use endpoints::{
    ChainSettings, Chains, PriceSettings, PriceSource, ProviderKind, ProviderSettings, Stablecoins,
};
pub use error::{ConfigError, Problem};
pub use limits::{LimitSettings, Network, NotANetwork, networks};
pub use live::LiveSettings;
pub use secret::SecretUrl;
pub use settings::{
    AdminSettings, Admission, ApiSettings, BatchSettings, CacheSettings, DatabaseSettings,
    LogFormat, LogSettings, RedisSettings, RetentionSettings, Role, ServiceSettings, Settings,
    UnknownRole, WorkerSettings,
};
pub use signing::SigningSettings;
pub use slow_log::SlowLogSettings;
pub use webhooks::{SigningSecret, WebhookSettings, WebhookTenant};
