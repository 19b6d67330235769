#!/usr/bin/env python3
"""Profiles of load (profiles.js) against a service of its own: a recorded chain, PostgreSQL and Redis of the run.

  scripts/with-services.sh python3 load-tests/k6/run.py [--scale 0.1] [--time 0.05] [PROFILE…]

Needs psql, k6 (K6 names the program) and the release builds of pnl-tracker and recorded-node. Prints one line per profile and a
report of k6 below OUT, target/load/k6 by default; exit status 1 when a threshold was crossed.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "acceptance"))
import service as common  # noqa: E402
from service import PROGRAM, ROOT, Program, database, figure  # noqa: E402

LARGE = 4
CAPACITY_SECONDS, OVERLOAD_SECONDS = 30, 60  # of the profiles
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "profiles.js")


def begin(profile, options, service, wallets, out, **more):
    """Starts one profile."""
    environment = {**os.environ, "PROFILE": profile, "API": service.url, "WALLETS": wallets,
                   "SCALE": str(options.scale), "TIME": str(options.time), **more}
    with open(os.path.join(out, profile + ".txt"), "w") as report:
        command = [os.environ.get("K6", "k6"), "run", "--no-usage-report", "--address", "127.0.0.1:0",
                   "--summary-export", os.path.join(out, profile + ".json"), SCRIPT]
        return profile, subprocess.Popen(command, env=environment, stdout=report, stderr=subprocess.STDOUT)


def end(begun, options, out):
    """Waits for a profile and gives its metrics. k6 ends with 99 when a threshold was crossed, and otherwise with 0 unless it could not run."""
    profile, k6 = begun
    code = k6.wait()
    if code not in (0, 99):
        sys.exit(f"k6 ended with {code}; it says why in {os.path.join(out, profile)}.txt")
    with open(os.path.join(out, profile + ".json")) as file:
        metrics = json.load(file)["metrics"]
    times = metrics["http_req_duration"]
    figure(f"{profile} at {options.scale:g} of its users for {options.time:g} of its time",
           f"{metrics['http_reqs']['count']} requests, {metrics['http_reqs']['rate']:.0f}/s, "
           f"failed {100 * metrics['http_req_failed']['value']:.2f} %, median {times['med']:.1f} ms, "
           f"p95 {times['p(95)']:.1f} ms, p99 {times['p(99)']:.1f} ms, "
           f"jobs {metrics.get('jobs_submitted', {}).get('count', 0)}", code == 0)
    if "answered" in metrics:
        print(f"     computed {metrics['answered']['count']} of {metrics['answered']['count'] + metrics['shed']['passes']}, "
              f"refused {100 * metrics['shed']['value']:.1f} %, not sent for want of users {metrics.get('dropped_iterations', {}).get('count', 0)}")
    for name, metric in metrics.items():
        for threshold, crossed in metric.get("thresholds", {}).items():
            print(f"     {'MISSED' if crossed else 'kept'} {name} {threshold}: {shown(metric, threshold)}")
    return metrics


def shown(metric, threshold):
    """The figure that a threshold is about."""
    return f"{metric.get(threshold.split('<')[0].split('=')[0].split('>')[0], metric.get('value', 0)):.4g}"


def run(profile, options, service, wallets, out, **more):
    """Runs one profile and gives its metrics."""
    return end(begin(profile, options, service, wallets, out, **more), options, out)


def overload(options, service, wallets, out):
    """Five times of what is computed when few ask, and probes from the first refusal on."""
    found = run("capacity", options, service, wallets, out)
    # The rate that k6 tells counts the time before the first question as well.
    capacity = found["answered"]["count"] / max(1, round(CAPACITY_SECONDS * options.time))
    print(f"     capacity {capacity:.0f} computed answers a second; the load is {5 * capacity:.0f}")
    refused = refusals(service)
    load = begin("overload", options, service, wallets, out, RATE=str(round(5 * capacity)))
    try:
        while refusals(service) == refused and load[1].poll() is None:
            time.sleep(0.1)
        # k6 begins the load with the first question, of which the first refusal is told at once.
        ends = time.monotonic() + OVERLOAD_SECONDS * options.time
        end(begin("probes", options, service, wallets, out), options, out)
        if time.monotonic() > ends:
            sys.exit("the overload ended before the probes: they say nothing about it")
        end(load, options, out)
    finally:
        load[1].kill()


def refusals(service):
    """How many questions the service has refused for want of a place."""
    text = urllib.request.urlopen(service.urls[1] + "/metrics", timeout=60).read().decode()
    return sum(map(float, re.findall(r"^http_shed_total\{.*\} (\d+)$", text, re.M)))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("profiles", nargs="*", default=["tier-500"])
    options.add_argument("--scale", type=float, default=1.0, help="users and requests a second are multiplied with it")
    options.add_argument("--time", type=float, default=1.0, help="durations are multiplied with it")
    options = options.parse_args()
    out = os.environ.get("OUT", os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "load", "k6"))
    os.makedirs(out, exist_ok=True)

    chain = os.path.join(ROOT, "load-tests", "demo-chain")
    # Wallets of which an answer takes some time stand beside the recorded ones, for the overload.
    node = Program([os.path.join(os.path.dirname(PROGRAM), "recorded-node"), "--folder", chain, "--prices", chain + "/prices",
                    "--synthetic-wallets", str(LARGE), "--synthetic-transactions", "5000", "--synthetic-tokens", "4"], lines=1 + LARGE)
    large = os.path.join(out, "large-wallets.txt")
    with open(large, "w") as lines:
        lines.write("\n".join(node.urls[1:]))
    provider = f'[{{name="recorded",kind="solana-rpc",url="{node.url}/solana",requests_per_second=1000}}]'
    with open(os.path.join(out, "service.log"), "w") as log:
        service = common.serve(database("load_k6"), {
            "PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_PRICES__SOURCES": f'[{{kind="csv",path="{chain}/prices"}}]',
            "REDIS_URL": os.environ["TEST_REDIS_URL"], "PNL_BATCH__ADMISSION": "queue"}, log=log)
        wallets = os.path.join(chain, "wallets.txt")
        for profile in options.profiles:
            if profile == "overload":
                overload(options, service, large, out)
            else:
                run(profile, options, service, wallets, out)
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
