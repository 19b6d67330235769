//! How many file descriptors the process may need, and how many it has.

use rustix::process::{Resource, getrlimit};
use service_runtime::config::Settings;

use crate::listener::MAX_ADMIN_CONNECTIONS;

/// What is open beside connections of clients and of the database: calls to providers, Redis, logs, the process itself.
const OTHERS: u64 = 200;

/// How many these settings need at most.
fn needed(settings: &Settings) -> u64 {
    let (api, database) = (&settings.api, &settings.database);
    let replica = if database.read_url.is_empty() { 0 } else { database.read_max_connections };
    let webhooks = if settings.webhooks.is_on() { settings.webhooks.max_under_way } else { 0 };
    [api.max_connections, MAX_ADMIN_CONNECTIONS, database.max_connections, replica, webhooks]
        .into_iter()
        .map(u64::from)
        .sum::<u64>()
        + OTHERS
}

/// What there is to say when the process may have only so many.
fn shortage(settings: &Settings, most: Option<u64>) -> Option<String> {
    let (needed, most) = (needed(settings), most?);
    (most < needed).then(|| {
        format!(
            "api.max_connections = {} needs up to {needed} open files, and the process may have {most} (RLIMIT_NOFILE): raise \
             the limit (LimitNOFILE of systemd, ulimit -n) or lower the setting",
            settings.api.max_connections
        )
    })
}

/// Warns when a process that serves clients may have fewer than it may need.
pub fn check(settings: &Settings) {
    if let Some(shortage) = shortage(settings, getrlimit(Resource::Nofile).current) {
        tracing::warn!("{shortage}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_what_is_needed_is_told_with_both_figures() {
        let mut settings = Settings::default();
        settings.api.max_connections = 1000;
        settings.database.max_connections = 50;
        let needed = 1000 + u64::from(MAX_ADMIN_CONNECTIONS) + 50 + OTHERS;
        assert_eq!(shortage(&settings, None), None, "without a limit");
        assert_eq!(shortage(&settings, Some(needed)), None);
        let told = shortage(&settings, Some(needed - 1)).unwrap();
        for part in ["api.max_connections = 1000", &needed.to_string(), &(needed - 1).to_string()] {
            assert!(told.contains(part), "{told}");
        }
    }
}
