#!/usr/bin/env python3
"""100,000 wallets submitted line by line: one job, in time, in memory that does not grow with them.

  scripts/with-services.sh python3 load-tests/acceptance/lines.py [--wallets 100000]

Needs psql and the release builds of pnl-tracker and recorded-node (PNL_TRACKER names the first one). Prints one line per figure; exit
status 1 when one of them is wrong.
"""
import argparse
import hashlib
import json
import os
import sys
import time
import urllib.request

import service as common
from service import PROGRAM, ROOT, Program, database, figure, get

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def address(number):
    """A Solana address that nobody has: 32 bytes in base58."""
    raw = hashlib.sha256(str(number).encode()).digest()
    rest, text = int.from_bytes(raw, "big"), ""
    while rest:
        rest, digit = divmod(rest, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def highest_memory(service):
    """Most memory that the process ever had, in MiB."""
    with open(f"/proc/{service.process.pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--wallets", type=int, default=100_000)
    options = options.parse_args()
    chain = os.path.join(ROOT, "load-tests", "demo-chain")
    node = Program([os.path.join(os.path.dirname(PROGRAM), "recorded-node"), "--folder", chain, "--prices", chain + "/prices"])
    provider = f'[{{name="recorded",kind="solana-rpc",url="{node.url}/solana",requests_per_second=1}}]'
    service = common.serve(database("acceptance_lines"), {
        "PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_PRICES__SOURCES": f'[{{kind="csv",path="{chain}/prices"}}]'})
    lines = ['{"chain": "solana"}'] + [f'"{address(number)}"' for number in range(options.wallets)]
    body = "".join(line + "\n" for line in lines).encode()
    idle = highest_memory(service)
    request = urllib.request.Request(service.url + "/api/pnl/batch/run", body, {"content-type": "application/x-ndjson"})
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=120) as answer:
        accepted = json.loads(answer.read())
    took, more = time.monotonic() - begun, highest_memory(service) - idle
    counts = get(f"{service.url}/api/pnl/batch/status/{accepted['job_id']}")["counts"]
    figure("wallets of one job", counts["total"], counts["total"] == options.wallets)
    figure("answered in seconds (limit 5)", f"{took:.2f}", took < 5)
    figure("memory above idle, MiB (limit 100)", more, more <= 100)
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
