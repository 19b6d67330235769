#!/usr/bin/env python3
"""schemathesis on the document of the interface, against a service with a computed job: no server error, no answer that is not as described.

  python3 -m venv venv && venv/bin/pip install schemathesis
  scripts/with-services.sh venv/bin/python load-tests/acceptance/contract.py [--requests 20000] [--seed 1]

Needs psql and the programs pnl-tracker and recorded-node (PNL_TRACKER names the first one; the other lies beside it; debug builds will
do). Prints one line per figure; exit status 1 when one of them is wrong.
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


def answered(admin, statuses):
    """Requests that were answered with one of these statuses, by the service's own count."""
    text = urllib.request.urlopen(admin + "/metrics", timeout=60).read().decode()
    counts = re.findall(r'^http_requests_total\{.*status="(\d+)"\} (\d+)$', text, re.M)
    return sum(int(count) for status, count in counts if int(status) in statuses)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--requests", type=int, default=20000, help="at least so many; runs are added until they are made")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--examples", type=int, default=200, help="cases of each operation in one run")
    options = options.parse_args()

    chain = os.path.join(ROOT, "load-tests", "demo-chain")
    node = Program([os.path.join(os.path.dirname(PROGRAM), "recorded-node"), "--folder", chain, "--prices", chain + "/prices"])
    provider = f'[{{name="recorded",kind="solana-rpc",url="{node.url}/solana",requests_per_second=1000}}]'
    service = common.serve(database("acceptance_contract"), {
        "PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_PRICES__SOURCES": f'[{{kind="csv",path="{chain}/prices"}}]',
        "PNL_BATCH__MAX_CONCURRENT": "10000"})
    with open(os.path.join(chain, "wallets.txt")) as lines:
        wallets = lines.read().split()
    jobs = [submit(service, "solana", wallets) for _ in range(2)]
    done = [wait_for(service, job, len(wallets) + 1)["status"] for job in jobs]
    figure("jobs to ask about", done, done == ["completed"] * 2)
    page = get(f"{service.url}/api/v2/wallets/{wallets[0]}/disposals?chain=solana")
    disposals = [row["id"] for row in page["data"]][:5]

    known = {"PNL_JOBS": ",".join(jobs), "PNL_WALLETS": ",".join(wallets), "PNL_DISPOSALS": ",".join(disposals)}
    folder = os.path.dirname(os.path.abspath(__file__))
    runs, made, broken = 0, 0, 0
    while made < options.requests and not broken:
        ended = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", service.url + "/api/openapi.json", "--checks", CHECKS, "--workers", "2",
             "--max-examples", str(options.examples), "--seed", str(options.seed + runs), "--request-timeout", "60",
             "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off"],
            env={**os.environ, **known, "PYTHONPATH": folder, "SCHEMATHESIS_HOOKS": "contract_hooks"}, check=False)
        broken, runs = ended.returncode, runs + 1
        made = answered(service.urls[1], range(100, 600))
    figure("runs of schemathesis", f"{runs}, exit status {broken}", broken == 0)
    figure("requests", made, made >= options.requests)
    figure("answers 5xx", answered(service.urls[1], range(500, 600)), answered(service.urls[1], range(500, 600)) == 0)
    figure("answers 200, 202, 304", answered(service.urls[1], {200, 202, 304}), True)
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
