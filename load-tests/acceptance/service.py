"""What the acceptance programs share: the service as a process, its HTTP interface, the oracle, and figures with a verdict."""
import atexit
import collections
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from fractions import Fraction

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
FIXTURES = os.environ.get("TEST_FIXTURES_DIR", os.path.join(SHARED, "fixtures"))
TOOLS = os.environ.get("TOOLS_DIR", os.path.join(SHARED, "tools"))
PROGRAM = os.environ.get("PNL_TRACKER") or os.path.join(
    os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "pnl-tracker")
TOLERANCE = Fraction(1, 10**30)
sys.path.insert(0, TOOLS)

failures = 0


def figure(name, value, good):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {name}: {value}", flush=True)


def ask(url, body=None):
    """Status and JSON of an answer, refusals included."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"} if data else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read(), parse_float=str)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read(), parse_float=str)


def get(url, body=None):
    status, answer = ask(url, body)
    if status >= 300:
        sys.exit(f"{url} answers {status}: {answer}")
    return answer


class Program:
    """A program that names an address at the end of each of its first lines of output."""

    def __init__(self, command, environment=None, lines=1, log=subprocess.DEVNULL):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True,
                                        env={**os.environ, **(environment or {})})
        atexit.register(self.process.terminate)
        named = [self.process.stdout.readline().split() for _ in range(lines)]
        if not all(named):
            sys.exit(f"{' '.join(command)[:200]} did not start")
        self.urls = [words[-1] for words in named]
        self.url = self.urls[0]

    def stop(self, how):
        self.process.send_signal(how)
        return self.process.wait()


def database(name):
    server = os.environ["TEST_DATABASE_URL"]
    subprocess.run(["psql", server, "-qc", f"create database {name}"], check=True)
    return server.rsplit("/", 1)[0] + "/" + name


def serve(database_url, environment, log=subprocess.DEVNULL):
    """The service; its second address is that of the admin listener."""
    return Program([PROGRAM, "serve"], {
        "PNL_API__PORT": "0", "PNL_ADMIN__PORT": "0", "DATABASE_URL": database_url, "PNL_DATABASE__MIN_CONNECTIONS": "2",
        "PNL_WORKER__LEASE_SECONDS": "3", **environment}, lines=2, log=log)


def submit(service, chain, wallets):
    return get(service.url + "/api/pnl/batch/run", {"wallet_addresses": wallets, "chain": chain})["job_id"]


def wait_for(service, job, done):
    """Waits, 15 minutes at most, until so many wallets are done or the job has ended."""
    for _ in range(9000):
        status = get(f"{service.url}/api/pnl/batch/status/{job}")
        if status["done"] or status["counts"]["done"] >= done:
            return status
        time.sleep(0.1)
    sys.exit(f"job {job} does not end: {status}")


def rows(service, job):
    """wallet -> its row; a wallet answered twice is an error."""
    found, cursor = {}, ""
    while True:
        page = get(f"{service.url}/api/pnl/batch/results/{job}?limit=500{cursor}")
        for row in page["data"]:
            assert row["wallet"] not in found, row["wallet"]
            found[row["wallet"]] = row
        if not page["has_more"]:
            return found
        cursor = "&cursor=" + page["next_cursor"]


def results(service, job):
    """wallet -> its result as text."""
    return {wallet: json.dumps(row["result"]) for wallet, row in rows(service, job).items()}


def exact(number):
    return Fraction(number["frac"] or number.get("dec40") or number["dec"])


def agrees_with_the_oracle(service, chain, wallet, result):
    """Whether an independent program comes from the exported ledger to the same figures and open lots."""
    import accounting_oracle
    document = get(f"{service.url}/api/v2/wallets/{wallet}/ledger?chain={chain}&format=oracle")
    truth = accounting_oracle.run(document)
    totals = [("realized_gain_usd", "realized_gain"), ("income_usd", "income"), ("fee_expense_usd", "fee_expense"),
              ("fees_usd", "fees_usd"), ("unrealized_gain_usd", "unrealized_gain")]
    pairs = [(Fraction(result[ours]), exact(truth["totals"][theirs])) for ours, theirs in totals]
    lots = collections.Counter()
    for lot in truth["lots"]:
        if lot["wallet"] == wallet:
            lots[lot["lot"], lot["asset"], lot["qty"], lot["basis"] and exact(lot["basis"])] += 1
    ours = get(f"{service.url}/api/v2/wallets/{wallet}/pnl?chain={chain}&include=lots")["lots"]
    for lot in ours:
        key = lot["lot"], lot["asset"], lot["qty"]
        basis = lot["basis"] and Fraction(lot["basis"])
        match = next((k for k in lots if k[:3] == key and (k[3] is None) == (basis is None)
                      and (basis is None or abs(k[3] - basis) <= TOLERANCE)), None)
        if match is None:
            return False
        lots[match] -= 1
    return not +lots and all(abs(a - b) <= TOLERANCE for a, b in pairs)
