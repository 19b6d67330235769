//! How many file descriptors the process may need, and how many it has.

use rustix::process::{Resource, getrlimit};
use service_runtime::config::{Role, Settings};

use crate::listener::MAX_ADMIN_CONNECTIONS;

/// What is open beside connections of clients and of the database: calls to providers, Redis, logs, the process itself.
const OTHERS: u64 = 200;

/// How many a process of `role` needs at most under these settings.
fn needed(settings: &Settings, role: Role) -> u64 {
    let Settings { api, database, webhooks, .. } = settings;
    let only_if = |is_so: bool, most: u32| if is_so { most } else { 0 };
    let clients = only_if(role.serves_requests(), api.max_connections);
    let replica = only_if(!database.read_url.is_empty(), database.read_max_connections);
    let told = only_if(role.works_on_wallets() && webhooks.is_on(), webhooks.max_under_way);
    [clients, MAX_ADMIN_CONNECTIONS, database.max_connections, replica, told]
        .into_iter()
        .map(u64::from)
        .sum::<u64>()
        + OTHERS
}

/// What there is to say when the process may have only so many.
fn shortage(settings: &Settings, role: Role, most: Option<u64>) -> Option<String> {
    let (needed, most) = (needed(settings, role), most?);
    (most < needed).then(|| {
        format!(
            "up to {needed} open files are needed, and the process may have {most} (RLIMIT_NOFILE): raise the limit (LimitNOFILE \
             of systemd, ulimit -n) or lower api.max_connections = {}, database.max_connections = {} or webhooks.max_under_way = {}",
            settings.api.max_connections, settings.database.max_connections, settings.webhooks.max_under_way
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
    use service_runtime::config::SigningSecret;

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
        for part in ["api.max_connections = 1000", &needed.to_string(), &(needed - 1).to_string()] {
            assert!(told.contains(part), "{told}");
        }
        // Each role needs its part of them.
        for (role, fewer) in [(Role::Api, 7), (Role::Worker, 1000)] {
            assert_eq!(shortage(&settings, role, Some(needed - fewer)), None);
            assert!(shortage(&settings, role, Some(needed - fewer - 1)).is_some());
        }
    }
}
