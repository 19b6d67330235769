#!/usr/bin/env python3
"""One batch of every wallet of the recordings against the replay node: completeness, calls, an independent oracle, kill -9.

  scripts/with-services.sh python3 load-tests/acceptance/batch.py

Needs the release build, python3, psql, and beside the checkout (or in TEST_FIXTURES_DIR and TOOLS_DIR) the fixtures and their
tools: replay_node.py and accounting_oracle.py. Prints one line per figure; exit status 1 when one of them is wrong.
"""
import glob
import json
import os
import signal
import sys
import time

import service as common
from service import FIXTURES, TOOLS, Program, agrees_with_the_oracle, database, figure, get, results, wait_for

RATE = 400


def recorded_wallets():
    """Every signer and every owner of a token row."""
    wallets = set()
    for path in glob.glob(os.path.join(FIXTURES, "solana", "transactions", "*.json")):
        result = json.load(open(path))
        message = result["transaction"]["message"]
        keys = message["accountKeys"]
        if isinstance(keys[0], dict):
            wallets |= {key["pubkey"] for key in keys if key["signer"]}
        else:
            wallets |= set(keys[: message["header"]["numRequiredSignatures"]])
        for rows in ("preTokenBalances", "postTokenBalances"):
            wallets |= {row["owner"] for row in result["meta"].get(rows) or [] if row.get("owner")}
    return sorted(wallets)


def node():
    return Program(["python3", os.path.join(TOOLS, "replay_node.py"), "--port", "0",
                    "--solana", os.path.join(FIXTURES, "solana"), "--prices", os.path.join(FIXTURES, "prices")])


def serve(url, database_url):
    provider = f'[{{name="replay",kind="solana-rpc",url="{url}/solana",requests_per_second={RATE}}}]'
    prices = f'[{{kind="llama",url="{url}/llama",requests_per_second=200}}]'
    return common.serve(database_url, {"PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_PRICES__SOURCES": prices})


def submit(service, wallets):
    return common.submit(service, "solana", wallets)


def main():
    wallets, replay = recorded_wallets(), node()
    service = serve(replay.url, database("acceptance_calm"))
    began = time.monotonic()
    job = submit(service, wallets)
    status = wait_for(service, job, len(wallets) + 1)
    calm = results(service, job)
    figure("wallets done", f"{status['counts']['done']} of {len(wallets)} in {time.monotonic() - began:.0f} s",
           status["status"] == "completed" and len(calm) == len(wallets))
    stats, recorded = get(replay.url + "/_stats"), len(glob.glob(os.path.join(FIXTURES, "solana", "transactions", "*.json")))
    figure("calls", stats["calls"], stats["calls"]["/solana getTransaction"] == recorded)
    figure("most calls in a second", stats["max_rps"]["/solana"], stats["max_rps"]["/solana"] <= RATE)
    agreeing = sum(agrees_with_the_oracle(service, "solana", w, json.loads(r)) for w, r in calm.items())
    figure("oracle agrees", f"{agreeing} wallets", agreeing == len(wallets))

    get(replay.url + "/_reset", {})
    job = submit(service, wallets)
    wait_for(service, job, len(wallets) + 1)
    again, calls = results(service, job), get(replay.url + "/_stats")["calls"]
    figure("second batch: equal results", sum(again[w] == calm[w] for w in wallets), again == calm)
    figure("second batch: getTransaction", calls.get("/solana getTransaction", 0), "/solana getTransaction" not in calls)
    figure("exit status after SIGTERM", service.stop(signal.SIGTERM), service.process.returncode == 0)

    crashing = database("acceptance_crash")
    service = serve(replay.url, crashing)
    job = submit(service, wallets)
    for share in (0.15, 0.4, 0.7):
        wait_for(service, job, int(share * len(wallets)))
        service.stop(signal.SIGKILL)
        service = serve(replay.url, crashing)
    wait_for(service, job, len(wallets) + 1)
    after = results(service, job)
    figure("killed three times: equal results", sum(after[w] == calm[w] for w in wallets), after == calm)
    service.stop(signal.SIGTERM)
    replay.stop(signal.SIGTERM)
    return 1 if common.failures else 0


if __name__ == "__main__":
    sys.exit(main())
