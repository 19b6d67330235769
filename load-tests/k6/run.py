#!/usr/bin/env python3
"""Profiles of load (profiles.js) against a service of its own: a recorded chain, PostgreSQL and Redis of the run.

  scripts/with-services.sh python3 load-tests/k6/run.py [--scale 0.1] [--time 0.05] [PROFILE…]

Needs psql, k6 (K6 names the program) and the release builds of pnl-tracker and recorded-node. Prints one line per profile and a
report of k6 below OUT, target/load/k6 by default; exit status 1 when a threshold was crossed.
"""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "acceptance"))
import service as common  # noqa: E402
from service import PROGRAM, ROOT, Program, database, figure  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "profiles.js")


def run(profile, options, service, wallets, out):
    """Runs one profile. k6 ends with 99 when a threshold was crossed, and otherwise with 0 unless it could not run."""
    summary = os.path.join(out, profile + ".json")
    environment = {**os.environ, "PROFILE": profile, "API": service.url, "WALLETS": wallets,
                   "SCALE": str(options.scale), "TIME": str(options.time)}
    with open(os.path.join(out, profile + ".txt"), "w") as report:
        ended = subprocess.run([os.environ.get("K6", "k6"), "run", "--no-usage-report", "--summary-export", summary, SCRIPT],
                               env=environment, stdout=report, stderr=subprocess.STDOUT, check=False)
    if ended.returncode not in (0, 99):
        sys.exit(f"k6 ended with {ended.returncode}; it says why in {report.name}")
    with open(summary) as file:
        metrics = json.load(file)["metrics"]
    times = metrics["http_req_duration"]
    figure(f"{profile} at {options.scale:g} of its users for {options.time:g} of its time",
           f"{metrics['http_reqs']['count']} requests, {metrics['http_reqs']['rate']:.0f}/s, "
           f"failed {100 * metrics['http_req_failed']['value']:.2f} %, median {times['med']:.1f} ms, "
           f"p95 {times['p(95)']:.1f} ms, p99 {times['p(99)']:.1f} ms, "
           f"jobs {metrics.get('jobs_submitted', {}).get('count', 0)}", ended.returncode == 0)
    for name, metric in metrics.items():
        for threshold, crossed in metric.get("thresholds", {}).items():
            print(f"     {'MISSED' if crossed else 'kept'} {name} {threshold}")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("profiles", nargs="*", default=["tier-500"])
    options.add_argument("--scale", type=float, default=1.0, help="users and requests a second are multiplied with it")
    options.add_argument("--time", type=float, default=1.0, help="durations are multiplied with it")
    options = options.parse_args()
    out = os.environ.get("OUT", os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "load", "k6"))
    os.makedirs(out, exist_ok=True)

    chain = os.path.join(ROOT, "load-tests", "demo-chain")
    node = Program([os.path.join(os.path.dirname(PROGRAM), "recorded-node"), "--folder", chain, "--prices", chain + "/prices"])
    provider = f'[{{name="recorded",kind="solana-rpc",url="{node.url}/solana",requests_per_second=1000}}]'
    with open(os.path.join(out, "service.log"), "w") as log:
        service = common.serve(database("load_k6"), {
            "PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_PRICES__SOURCES": f'[{{kind="csv",path="{chain}/prices"}}]',
            "REDIS_URL": os.environ["TEST_REDIS_URL"], "PNL_BATCH__ADMISSION": "queue"}, log=log)
        for profile in options.profiles:
            run(profile, options, service, os.path.join(chain, "wallets.txt"), out)
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
