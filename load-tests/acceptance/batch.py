#!/usr/bin/env python3
"""One batch of every wallet of the recordings against the replay node: completeness, calls, an independent oracle, kill -9.

  scripts/with-services.sh python3 load-tests/acceptance/batch.py

Needs the release build, python3, psql, and beside the checkout (or in TEST_FIXTURES_DIR and TOOLS_DIR) the fixtures and their
tools: replay_node.py and accounting_oracle.py. Prints one line per figure; exit status 1 when one of them is wrong.
"""
import collections
import glob
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from fractions import Fraction

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
FIXTURES = os.environ.get("TEST_FIXTURES_DIR", os.path.join(SHARED, "fixtures"))
TOOLS = os.environ.get("TOOLS_DIR", os.path.join(SHARED, "tools"))
PROGRAM = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "pnl-tracker")
RATE = 400
TOLERANCE = Fraction(1, 10**30)
sys.path.insert(0, TOOLS)
import accounting_oracle  # noqa: E402

failures = 0


def figure(name, value, good):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name}: {value}", flush=True)


def get(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read(), parse_float=str)


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


class Program:
    """A program that names its address at the end of its first line of output."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env={**os.environ, **(environment or {})})
        self.url = self.process.stdout.readline().split()[-1]

    def stop(self, how):
        self.process.send_signal(how)
        return self.process.wait()


def node():
    return Program(["python3", os.path.join(TOOLS, "replay_node.py"), "--port", "0",
                    "--solana", os.path.join(FIXTURES, "solana"), "--prices", os.path.join(FIXTURES, "prices")])


def database(name):
    server = os.environ["TEST_DATABASE_URL"]
    subprocess.run(["psql", server, "-qc", f"create database {name}"], check=True)
    return server.rsplit("/", 1)[0] + "/" + name


def serve(url, database_url):
    provider = f'[{{name="replay",kind="solana-rpc",url="{url}/solana",requests_per_second={RATE}}}]'
    prices = f'[{{kind="llama",url="{url}/llama",requests_per_second=200}}]'
    return Program([PROGRAM, "serve"], {
        "PNL_API__PORT": "0", "PNL_ADMIN__PORT": "0", "DATABASE_URL": database_url, "PNL_DATABASE__MIN_CONNECTIONS": "2",
        "PNL_WORKER__LEASE_SECONDS": "3", "PNL_CHAINS__SOLANA__PROVIDERS": provider, "PNL_PRICES__SOURCES": prices})


def submit(service, wallets):
    return get(service.url + "/api/pnl/batch/run", {"wallet_addresses": wallets, "chain": "solana"})["job_id"]


def wait_for(service, job, done):
    """Waits, 15 minutes at most, until so many wallets are done or the job has ended."""
    for _ in range(9000):
        status = get(f"{service.url}/api/pnl/batch/status/{job}")
        if status["done"] or status["counts"]["done"] >= done:
            return status
        time.sleep(0.1)
    sys.exit(f"job {job} does not end: {status}")


def results(service, job):
    """wallet -> its result as text; a wallet answered twice is an error."""
    found, cursor = {}, ""
    while True:
        page = get(f"{service.url}/api/pnl/batch/results/{job}?limit=500{cursor}")
        for row in page["data"]:
            assert row["wallet"] not in found, row["wallet"]
            found[row["wallet"]] = json.dumps(row["result"])
        if not page["has_more"]:
            return found
        cursor = "&cursor=" + page["next_cursor"]


def exact(number):
    return Fraction(number["frac"] or number.get("dec40") or number["dec"])


def agrees_with_the_oracle(service, wallet, result):
    document = get(f"{service.url}/api/v2/wallets/{wallet}/ledger?chain=solana&format=oracle")
    truth = accounting_oracle.run(document)
    totals = [("realized_gain_usd", "realized_gain"), ("income_usd", "income"), ("fee_expense_usd", "fee_expense"),
              ("fees_usd", "fees_usd"), ("unrealized_gain_usd", "unrealized_gain")]
    pairs = [(Fraction(result[ours]), exact(truth["totals"][theirs])) for ours, theirs in totals]
    lots = collections.Counter()
    for lot in truth["lots"]:
        if lot["wallet"] == wallet:
            lots[lot["lot"], lot["asset"], lot["qty"], lot["basis"] and exact(lot["basis"])] += 1
    ours = get(f"{service.url}/api/v2/wallets/{wallet}/pnl?chain=solana&include=lots")["lots"]
    for lot in ours:
        key = lot["lot"], lot["asset"], lot["qty"]
        basis = lot["basis"] and Fraction(lot["basis"])
        match = next((k for k in lots if k[:3] == key and (k[3] is None) == (basis is None)
                      and (basis is None or abs(k[3] - basis) <= TOLERANCE)), None)
        if match is None:
            return False
        lots[match] -= 1
    return not +lots and all(abs(a - b) <= TOLERANCE for a, b in pairs)


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
    agreeing = sum(agrees_with_the_oracle(service, w, json.loads(r)) for w, r in calm.items())
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
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
