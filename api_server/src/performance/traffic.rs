//! What was asked of this process, by time: routes, statuses, classes, tenants.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use persistence_layer::Tenant;
use serde::Serialize;
use utoipa::ToSchema;

use super::ratio::Share;
use super::windows::{Window, Windows};
use crate::metrics::Answered;
use crate::slo::RouteClass;

/// Counts of a minute or an hour; requests of tenants beyond are counted as nobody's.
const MOST_COUNTS: usize = 1000;

/// Most tenants that are listed.
const MOST_TENANTS: usize = 100;

/// Minutes over which performance is judged.
const JUDGED_MINUTES: u64 = 5;

/// Bounds of times in milliseconds; the gates of capacity are among them.
const BOUNDS_MS: [u64; 18] =
    [1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 2000, 5000, 10_000];

/// The requests of a process.
#[derive(Debug)]
pub struct Traffic {
    started: Instant,
    windows: Mutex<Windows<Counts>>,
}

/// What is counted alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    route: &'static str,
    method: &'static str,
    class: RouteClass,
    status_class: u16,
    tenant: Option<Tenant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    requests: u64,
    late: u64,
}

#[derive(Debug, Default)]
struct Counts {
    by_kind: BTreeMap<Kind, Count>,
    /// Answers with a target, by the bounds of their times; one more than there are bounds.
    times: [u64; BOUNDS_MS.len() + 1],
    /// The sum of their times, in microseconds.
    micros: u64,
}

/// The last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recent {
    /// The time that they are.
    pub over: Duration,
    /// Answers with a target.
    pub answers: u64,
    /// All time that they took.
    pub took: Duration,
    /// 95 % of them came within this; the bound of a bucket.
    pub p95: Option<Duration>,
    /// Share of 5xx among all answers.
    pub errors: Option<Share>,
}

/// What was asked in a window.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// `1h`, `24h`, `7d`.
    pub window: &'static str,
    /// How long it is: less than its name says while the process is young.
    pub seconds: u64,
    /// All requests.
    pub requests: u64,
    /// By the first digit of the status, as `2xx`.
    pub by_status: BTreeMap<String, u64>,
    /// By the class of the route.
    pub by_class: BTreeMap<&'static str, OfClass>,
    /// By route, the most asked one first.
    pub routes: Vec<OfRoute>,
    /// By tenant, the one with the most requests first; at most a hundred.
    pub tenants: Vec<OfTenant>,
}

/// Requests of a class.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct OfClass {
    /// All.
    pub requests: u64,
    /// Answered later than the target of the class.
    pub late: u64,
}

/// Requests of a route.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfRoute {
    /// The method.
    pub method: &'static str,
    /// The route.
    pub route: &'static str,
    /// All.
    pub requests: u64,
    /// Answered later than the target of the class.
    pub late: u64,
    /// By the first digit of the status, as `2xx`.
    pub by_status: BTreeMap<String, u64>,
}

/// Requests of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfTenant {
    /// The tenant; null: probes, requests without a valid key, and those of tenants beyond what is kept apart.
    pub tenant: Option<String>,
    /// All.
    pub requests: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { started: Instant::now(), windows: Mutex::default() }
    }
}

impl Traffic {
    /// Counts an answered request.
    pub fn note(&self, answered: &Answered<'_>) {
        let now = self.started.elapsed();
        self.lock().count(now, |counts| counts.note(answered));
    }

    /// What was asked in the window: all, or the requests of one tenant `only`.
    pub fn report(&self, window: Window, only: Option<&Tenant>) -> Report {
        let now = self.started.elapsed();
        let windows = self.lock();
        let mut report = Report {
            window: window.as_str(),
            seconds: windows.age(window, now).as_secs(),
            requests: 0,
            by_status: BTreeMap::new(),
            by_class: BTreeMap::new(),
            routes: Vec::new(),
            tenants: Vec::new(),
        };
        let mut routes: BTreeMap<(&'static str, &'static str), OfRoute> = BTreeMap::new();
        let mut tenants: BTreeMap<Option<Tenant>, u64> = BTreeMap::new();
        for (kind, count) in windows.within(window, now).flat_map(|counts| &counts.by_kind) {
            if only.is_some() && kind.tenant.as_ref() != only {
                continue;
            }
            let Kind { route, method, class, status_class, ref tenant } = *kind;
            let status = format!("{status_class}xx");
            report.requests += count.requests;
            *report.by_status.entry(status.clone()).or_default() += count.requests;
            let of_class = report.by_class.entry(class.as_str()).or_default();
            of_class.requests += count.requests;
            of_class.late += count.late;
            let empty = OfRoute { method, route, requests: 0, late: 0, by_status: BTreeMap::new() };
            let of_route = routes.entry((route, method)).or_insert(empty);
            of_route.requests += count.requests;
            of_route.late += count.late;
            *of_route.by_status.entry(status).or_default() += count.requests;
            *tenants.entry(tenant.clone()).or_default() += count.requests;
        }
        drop(windows);
        report.routes = routes.into_values().collect();
        report.routes.sort_by_key(|of| std::cmp::Reverse(of.requests));
        report.tenants = tenants
            .into_iter()
            .map(|(tenant, requests)| OfTenant {
                tenant: tenant.map(|tenant| tenant.to_string()),
                requests,
            })
            .collect();
        report.tenants.sort_by_key(|of| std::cmp::Reverse(of.requests));
        report.tenants.truncate(MOST_TENANTS);
        report
    }

    /// The last minutes.
    pub fn recent(&self) -> Recent {
        let now = self.started.elapsed();
        let windows = self.lock();
        let mut times = [0; BOUNDS_MS.len() + 1];
        let (mut micros, mut all, mut failed) = (0u64, 0u64, 0u64);
        for counts in windows.minutes(JUDGED_MINUTES, now) {
            times.iter_mut().zip(counts.times).for_each(|(sum, count)| *sum += count);
            micros = micros.saturating_add(counts.micros);
            for (kind, count) in &counts.by_kind {
                all += count.requests;
                failed += if kind.status_class == 5 { count.requests } else { 0 };
            }
        }
        Recent {
            over: windows.age_of_minutes(JUDGED_MINUTES, now),
            answers: times.iter().sum(),
            took: Duration::from_micros(micros),
            p95: p95(&times),
            errors: Share::of(failed.into(), all.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Windows<Counts>> {
        // Nothing panics while holding the lock; counts stay counts.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn note(&mut self, answered: &Answered<'_>) {
        let Answered { method, route, class, status, took, tenant, .. } = *answered;
        let mut kind =
            Kind { route, method, class, status_class: status / 100, tenant: tenant.cloned() };
        if self.by_kind.len() >= MOST_COUNTS && !self.by_kind.contains_key(&kind) {
            kind.tenant = None;
        }
        let count = self.by_kind.entry(kind).or_default();
        count.requests += 1;
        count.late += u64::from(class.is_late(took));
        if class.target().is_some() {
            let bucket = BOUNDS_MS.partition_point(|bound| Duration::from_millis(*bound) < took);
            self.times[bucket] += 1;
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.micros = self.micros.saturating_add(micros);
        }
    }
}

/// The bound that 95 % are within. Beyond the last bound it is that bound.
fn p95(times: &[u64; BOUNDS_MS.len() + 1]) -> Option<Duration> {
    let all: u64 = times.iter().sum();
    let most = (all * 95).div_ceil(100);
    let mut within = 0;
    let bucket = times.iter().position(|count| {
        within += count;
        all > 0 && within >= most
    })?;
    Some(Duration::from_millis(BOUNDS_MS[bucket.min(BOUNDS_MS.len() - 1)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(
        traffic: &Traffic,
        tenant: Option<&Tenant>,
        (route, status, ms): (&'static str, u16, u64),
    ) {
        let (class, took) = (crate::routes::class_of(route), Duration::from_millis(ms));
        let trace_id = None;
        traffic.note(&Answered { method: "GET", route, class, status, took, tenant, trace_id });
    }

    #[test]
    fn requests_are_told_by_route_status_class_and_tenant() {
        let traffic = Traffic::default();
        let (acme, bolt): (Tenant, Tenant) = ("acme".parse().unwrap(), "bolt".parse().unwrap());
        for _ in 0..3 {
            note(&traffic, Some(&acme), ("/api/pnl/batch", 200, 1));
        }
        note(&traffic, Some(&acme), ("/api/pnl/batch", 503, 201));
        note(&traffic, Some(&bolt), ("/api/pnl/results", 200, 1));
        note(&traffic, None, ("/health", 200, 1));
        let all = traffic.report(Window::Hour, None);
        assert_eq!(all.requests, 6);
        assert_eq!(all.by_status, BTreeMap::from([("2xx".into(), 5), ("5xx".into(), 1)]));
        let simple = &all.by_class["simple"];
        assert_eq!((simple.requests, simple.late), (4, 1));
        let first = &all.routes[0];
        assert_eq!((first.route, first.requests, first.late), ("/api/pnl/batch", 4, 1));
        let tenants: Vec<_> =
            all.tenants.iter().map(|of| (of.tenant.as_deref(), of.requests)).collect();
        assert_eq!(tenants, [(Some("acme"), 4), (None, 1), (Some("bolt"), 1)]);
        let of_bolt = traffic.report(Window::Week, Some(&bolt));
        assert_eq!((of_bolt.requests, of_bolt.routes.len(), of_bolt.tenants.len()), (1, 1, 1));
    }

    #[test]
    fn tenants_without_end_take_bounded_memory_and_lose_no_request() {
        let traffic = Traffic::default();
        for n in 0..5000 {
            let tenant: Tenant = format!("t{n}").parse().unwrap();
            note(&traffic, Some(&tenant), ("/api/pnl/batch", 200, 1));
        }
        let report = traffic.report(Window::Day, None);
        assert_eq!((report.requests, report.tenants.len()), (5000, MOST_TENANTS));
        assert_eq!((&report.tenants[0].tenant, report.tenants[0].requests), (&None, 4000));
    }

    #[test]
    fn the_last_minutes_have_a_p95_and_a_share_of_errors() {
        let traffic = Traffic::default();
        assert_eq!((traffic.recent().p95, traffic.recent().errors), (None, None));
        for _ in 0..95 {
            note(&traffic, None, ("/health", 200, 3));
        }
        for _ in 0..5 {
            note(&traffic, None, ("/health", 500, 20_000));
        }
        // What has no target says nothing about times.
        note(&traffic, None, ("/api/ws", 101, 90_000));
        let recent = traffic.recent();
        assert_eq!((recent.answers, recent.p95), (100, Some(Duration::from_millis(5))));
        assert_eq!(recent.took, Duration::from_millis(95 * 3 + 5 * 20_000));
        assert_eq!(recent.errors, Share::of(5, 101));
        note(&traffic, None, ("/health", 200, 20_000));
        assert_eq!(traffic.recent().p95, Some(Duration::from_secs(10)));
    }
}
