//! How many file descriptors the process may need, and how many it has.

use rustix::process::{Resource, getrlimit};
use service_runtime::config::{Role, Settings};

use crate::listener::MAX_ADMIN_CONNECTIONS;

/// What is open beside connections of clients and of the database: calls to providers, Redis, logs, the process itself.
const OTHERS: u64 = 200;

/// The settings that bound what a process of `role` has open, with what they allow.
fn bounds(settings: &Settings, role: Role) -> Vec<(&'static str, u32)> {
    let Settings { api, database, webhooks, .. } = settings;
    [
        (role.serves_requests(), "api.max_connections", api.max_connections),
        (true, "database.max_connections", database.max_connections),
        (
            !database.read_url.is_empty(),
            "database.read_max_connections",
            database.read_max_connections,
        ),
        (
            role.works_on_wallets() && webhooks.is_on(),
            "webhooks.max_under_way",
            webhooks.max_under_way,
        ),
    ]
    .into_iter()
    .filter_map(|(counts, name, most)| counts.then_some((name, most)))
    .collect()
}

/// What there is to say when the process may have only so many.
fn shortage(settings: &Settings, role: Role, most: Option<u64>) -> Option<String> {
    let (bounds, most) = (bounds(settings, role), most?);
    let bounded: u64 = bounds.iter().map(|(_, most)| u64::from(*most)).sum();
    let needed = bounded + u64::from(MAX_ADMIN_CONNECTIONS) + OTHERS;
    (most < needed).then(|| {
        let bounds: Vec<_> = bounds.iter().map(|(name, most)| format!("{name} = {most}")).collect();
        format!(
            "up to {needed} open files are needed, and the process may have {most} (RLIMIT_NOFILE): raise the limit (LimitNOFILE \
             of systemd, ulimit -n) or lower one of {}",
            bounds.join(", ")
        )
    })
}

/// Warns when a process of `role` may have fewer than it may need.
pub fn check(settings: &Settings, role: Role) {
    if let Some(shortage) = shortage(settings, role, getrlimit(Resource::Nofile).current) {
        tracing::warn!("{shortage}");
    }
}

#[cfg(test)]
mod tests {
    use service_runtime::config::{SecretUrl, SigningSecret};

    use super::*;

    #[test]
    fn a_limit_below_what_is_needed_is_told_with_both_figures() {
        let mut settings = Settings::default();
        settings.api.max_connections = 1000;
        settings.database.max_connections = 50;
        settings.webhooks.secrets = vec![SigningSecret::new("s")];
        settings.webhooks.max_under_way = 7;
        let needed = 1007 + u64::from(MAX_ADMIN_CONNECTIONS) + 50 + OTHERS;
        assert_eq!(shortage(&settings, Role::All, None), None, "without a limit");
        assert_eq!(shortage(&settings, Role::All, Some(needed)), None);
        let told = shortage(&settings, Role::All, Some(needed - 1)).unwrap();
        let named =
            "api.max_connections = 1000, database.max_connections = 50, webhooks.max_under_way = 7";
        for part in [named, &needed.to_string(), &(needed - 1).to_string()] {
            assert!(told.contains(part), "{told}");
        }
        // Each role needs its part of them.
        for (role, fewer) in [(Role::Api, 7), (Role::Worker, 1000)] {
            assert_eq!(shortage(&settings, role, Some(needed - fewer)), None);
            assert!(shortage(&settings, role, Some(needed - fewer - 1)).is_some());
        }
        settings.database.read_url = SecretUrl::new("postgres://replica/pnl");
        settings.database.read_max_connections = 20;
        assert_eq!(shortage(&settings, Role::All, Some(needed + 20)), None);
        let told = shortage(&settings, Role::All, Some(needed + 19)).unwrap();
        assert!(told.contains("database.read_max_connections = 20"), "{told}");
    }
}
