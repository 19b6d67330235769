#!/usr/bin/env python3
"""schemathesis on the document of the interface, against a service with a computed job: no server error, no answer that is not as described.

  python3 -m venv venv && venv/bin/pip install schemathesis
  scripts/with-services.sh venv/bin/python load-tests/acceptance/contract.py [--requests 20000] [--seed 1]

Needs psql and the programs pnl-tracker and recorded-node (PNL_TRACKER names the first one; the other lies beside it; debug builds will
do). Prints one line per figure; exit status 1 when one of them is wrong. setups.py does the same to several set-ups.
"""
import argparse
import os
import re
import subprocess
import sys
import urllib.request

import service as common
from service import PROGRAM, ROOT, Program, database, figure, get, submit, wait_for

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,unsupported_method,allow_header_conformance")


def demo_chain():
    """The wallets of the demo, and the settings of a service that finds them at a node of its own."""
    chain = os.path.join(ROOT, "load-tests", "demo-chain")
    node = Program([os.path.join(os.path.dirname(PROGRAM), "recorded-node"), "--folder", chain, "--prices", chain + "/prices"])
    provider = f'[{{name="recorded",kind="solana-rpc",url="{node.url}/solana",requests_per_second=1000}}]'
    with open(os.path.join(chain, "wallets.txt")) as lines:
        wallets = lines.read().split()
    return wallets, {"PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_BATCH__MAX_CONCURRENT": "10000",
                     "PNL_PRICES__SOURCES": f'[{{kind="csv",path="{chain}/prices"}}]'}


def answered(services, statuses):
    """Requests that were answered with one of these statuses, by the services' own count."""
    sum_of_all = 0
    for service in services:
        text = urllib.request.urlopen(service.urls[1] + "/metrics", timeout=60).read().decode()
        counts = re.findall(r'^http_requests_total\{.*status="(\d+)"\} (\d+)$', text, re.M)
        sum_of_all += sum(int(count) for status, count in counts if int(status) in statuses)
    return sum_of_all


def known_things(writes, reads, wallets):
    """What the requests may ask about: jobs that have ended, their wallets and disposals."""
    jobs = [submit(writes, "solana", wallets) for _ in range(2)]
    done = [wait_for(reads, job, len(wallets) + 1)["status"] for job in jobs]
    figure("jobs to ask about", done, done == ["completed"] * 2)
    page = get(f"{reads.url}/api/v2/wallets/{wallets[0]}/disposals?chain=solana")
    disposals = [row["id"] for row in page["data"]][:5]
    return {"PNL_JOBS": ",".join(jobs), "PNL_WALLETS": ",".join(wallets), "PNL_DISPOSALS": ",".join(disposals)}


def hammer(writes, reads, known, options):
    """Runs schemathesis again and again until so many requests were made, what only reads at `reads`. Gives the number of
    requests and of answers 5xx, and whether every answer was as described."""
    services = [writes] if writes is reads else [writes, reads]
    folder = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, **known, "PYTHONPATH": folder, "SCHEMATHESIS_HOOKS": "contract_hooks",
                   "PNL_WRITES": writes.url, "PNL_READS": reads.url}
    before, failed = answered(services, range(100, 600)), answered(services, range(500, 600))
    runs, made, broken = 0, 0, 0
    while made < options.requests and not broken:
        ended = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", writes.url + "/api/openapi.json", "--checks", CHECKS, "--workers", "1",
             "--max-examples", str(options.examples), "--seed", str(options.seed + runs), "--request-timeout", "60",
             "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off"], env=environment, check=False)
        broken, runs = ended.returncode, runs + 1
        made = answered(services, range(100, 600)) - before
    failed = answered(services, range(500, 600)) - failed
    figure("runs of schemathesis", f"{runs}, exit status {broken}", broken == 0)
    figure("requests", made, made >= options.requests)
    figure("answers 5xx", failed, failed == 0)
    figure("answers 200, 202, 304", answered(services, {200, 202, 304}), True)
    return made, failed, broken == 0


def arguments(description, requests, examples):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--requests", type=int, default=requests, help="at least so many; runs are added until they are made")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--examples", type=int, default=examples, help="cases of each operation in one run")
    return options


def main():
    options = arguments(__doc__.splitlines()[0], 20000, 200).parse_args()
    wallets, environment = demo_chain()
    service = common.serve(database("acceptance_contract"), environment)
    hammer(service, service, known_things(service, service, wallets), options)
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
