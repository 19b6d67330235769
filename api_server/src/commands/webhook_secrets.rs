//! `webhook-secrets`: what the receivers of a tenant check with.

use std::io::{self, Write};
use std::process::ExitCode;

use job_orchestrator::webhooks;
use service_runtime::config::Settings;

use crate::cli::WebhookSecretsArgs;

/// Prints the secrets of the tenant, one to a line. They are made of the configuration, so nothing is stored and nobody asked.
pub fn run(args: &WebhookSecretsArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(args.config.config.as_deref())?;
    let secrets = webhooks::signer(&settings.webhooks)?.secrets_of(args.tenant.as_str());
    if secrets.is_empty() {
        writeln!(
            io::stderr(),
            "error: webhooks.root_secrets is empty, so no tenant has a secret of its own; \
             set one that no receiver knows"
        )?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(io::stderr(), "secrets of tenant {}, each signs, the newest first:", args.tenant)?;
    let mut out = io::stdout().lock();
    for secret in secrets {
        writeln!(out, "{secret}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
