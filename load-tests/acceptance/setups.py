#!/usr/bin/env python3
"""One contract suite against every set-up in which the service is run: without Redis, with it, as two processes, behind a pooler with a replica.

  python3 -m venv venv && venv/bin/pip install schemathesis
  scripts/with-services.sh venv/bin/python load-tests/acceptance/setups.py [--requests 3000] [no-redis redis two pooler]

In each set-up a job goes its whole way, its results are read in every form and compared with those of the set-up before, and then
schemathesis asks (contract.py). Of two processes one takes what is posted and works, the other answers what is read. Behind the
pooler everything but direct_url goes through PgBouncer with deploy/pgbouncer/pgbouncer.ini, before a primary and a streaming replica
with deploy/postgres; passwords are asked for on the whole way. Needs psql, pg_basebackup, a PgBouncer of 1.21 or newer that TEST_PGBOUNCER names
(scripts/pgbouncer.sh prints one), and the programs pnl-tracker and recorded-node. Prints figures and a table; exit status 1 when one is wrong.
"""
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import contract
import service as common
from service import ROOT, ask, database, figure, get, results, submit, wait_for

PGBOUNCER = os.environ.get("TEST_PGBOUNCER")
AS_OWNER = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []


def head(url, headers=None, method="GET"):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read()


def events(url):
    """The events of a job until it has ended, as they come."""
    seen = []
    with urllib.request.urlopen(url, timeout=120) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                seen.append(json.loads(line[5:]))
                if seen[-1]["type"] == "com.pnl.job.completed":
                    break
    return seen


def walk(writes, reads, wallets):
    """A job from its submission to its files. Gives a digest of all that must not depend on the set-up."""
    run, body = f"{writes.url}/api/pnl/batch/run", json.dumps({"wallet_addresses": wallets, "chain": "solana"}).encode()
    post = {"content-type": "application/json", "idempotency-key": f"walk-{time.time_ns()}"}
    accepted = [json.load(urllib.request.urlopen(urllib.request.Request(run, body, post), timeout=60)) for _ in range(2)]
    job = accepted[0]["job_id"]
    figure("a repeated submission is the same job", job, accepted[1]["job_id"] == job)
    seen = events(f"{reads.url}/api/pnl/batch/{job}/events")
    numbers = [tuple(map(int, event["lasteventid"].split("-"))) if "-" in event["lasteventid"] else int(event["lasteventid"])
               for event in seen if "lasteventid" in event]
    ends = sorted(event["data"]["wallet"] for event in seen if event["type"] == "com.pnl.wallet.completed")
    first = seen[0]["data"].get("counts", {}).get("done", 0)
    figure("events", f"{len(seen)}, {len(ends)} wallets after {first} in the snapshot",
           numbers == sorted(numbers) and len(set(ends)) == len(ends) == len(wallets) - first)
    status = wait_for(reads, job, len(wallets) + 1)
    figure("job", status["status"], status["status"] == "completed")

    page = f"{reads.url}/api/pnl/batch/results/{job}"
    code, headers, whole = head(page)
    again, _, nothing = head(page, {"if-none-match": headers["etag"]})
    empty = head(page, method="HEAD")
    figure("conditional and HEAD", [code, again, empty[0]],
           (code, again, nothing, empty[0], empty[2]) == (200, 304, b"", 200, b"") and empty[1]["etag"] == headers["etag"])
    kept = head(page)[1]["x-cache"]
    figure("a kept answer", kept, kept == "HIT")
    rows = results(reads, job)
    figure("results", len(rows), sorted(rows) == sorted(wallets))
    texts = [rows[wallet] for wallet in wallets]
    for view in ["pnl?include=lots", "ledger?limit=1000", "disposals?limit=500", "what-if?"]:
        for wallet in wallets:
            answer = get(f"{reads.url}/api/v2/wallets/{wallet}/{view}&chain=solana")
            for moment in ("analyzed_at", "next_cursor"):
                answer.pop(moment, None)
            texts.append(json.dumps(answer))
    for form in ["csv", "ndjson", "parquet", "arrow"]:
        code, headers, file = head(f"{page}/export.{form}")
        digest = hashlib.sha256(file).hexdigest()
        figure(f"export.{form}", f"{code}, {len(file)} bytes", code == 200 and len(file) > 500)
        texts.append(digest if form in ("csv", "ndjson") else "")
    for _ in range(600):
        summary = get(f"{reads.url}/api/pnl/results?limit=10")["summary"]
        if summary["total_wallets"] == len(wallets):
            break
        time.sleep(0.1)
    figure("summary", summary["total_wallets"], summary["total_wallets"] == len(wallets))
    texts.append(summary["total_pnl_usd"])
    missing, problem = ask(f"{reads.url}/api/pnl/batch/status/00000000-0000-7000-8000-000000000000")
    figure("an unknown job", problem.get("code"), (missing, problem.get("code")) == (404, "unknown-job"))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def server(folder, name, source=None):
    """A PostgreSQL with the files of deploy/postgres, a replica of `source` when given. Gives its port and process."""
    bin_dir = subprocess.run(["pg_config", "--bindir"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    data, port = os.path.join(folder, name), free_port()
    if source is None:
        command = [bin_dir + "/initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    else:
        command = [bin_dir + "/pg_basebackup", "-D", data, "-h", "127.0.0.1", "-p", str(source), "-U", "postgres", "-R", "-X", "stream",
                   "--checkpoint=fast", "--no-sync"]
    subprocess.run(AS_OWNER + command, check=True, cwd="/", stdout=subprocess.DEVNULL)
    if source is None:
        # The first line that fits counts: the service has to say its password.
        with open(os.path.join(data, "pg_hba.conf"), "r+") as access:
            others = access.read()
            access.seek(0)
            access.write("host all pnl 127.0.0.1/32 scram-sha-256\n" + others)
    files = ["primary.conf"] + (["replica.conf"] if source else [])
    with open(os.path.join(data, "postgresql.conf"), "a") as settings:
        for file in files:
            settings.write(f"include '{ROOT}/deploy/postgres/{file}'\n")
        # This machine is smaller, and nothing here is to last.
        settings.write("shared_buffers = 128MB\nmaintenance_work_mem = 64MB\nfsync = off\nsynchronous_commit = off\n")
    log = open(os.path.join(folder, name + ".log"), "w")
    process = subprocess.Popen(AS_OWNER + [bin_dir + "/postgres", "-D", data, "-p", str(port), "-k", folder,
                                           "-c", "listen_addresses=127.0.0.1"], cwd="/", stdout=log, stderr=log)
    for _ in range(300):
        if subprocess.run(["psql", url(port), "-Xqc", "select 1"], capture_output=True, check=False).returncode == 0:
            return port, process
        time.sleep(0.1)
    sys.exit(f"PostgreSQL does not start; {log.name}:\n" + open(log.name).read()[-2000:])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def url(port, name="postgres", role="postgres", password=""):
    return f"postgres://{role}{':' + password if password else ''}@127.0.0.1:{port}/{name}"


def pooler(folder, primary, replica):
    """PgBouncer with the file of deploy/pgbouncer, installed as README.md there says. Gives its port and process."""
    with open(os.path.join(ROOT, "deploy", "pgbouncer", "pgbouncer.ini")) as file:
        text = file.read()
    port, users = free_port(), os.path.join(folder, "userlist.txt")
    account = "user = postgres\n" if AS_OWNER else ""
    for there, here in [("host=10.0.0.5 port=5432", f"host=127.0.0.1 port={primary}"), ("listen_port = 6432", f"listen_port = {port}"),
                        ("host=10.0.0.7 port=5432", f"host=127.0.0.1 port={replica}"), ("/etc/pgbouncer/userlist.txt", users),
                        ("listen_addr = *", f"{account}listen_addr = 127.0.0.1\nunix_socket_dir =")]:
        assert there in text, there
        text = text.replace(there, here)
    passwords = subprocess.run(["psql", url(primary), "-XAtc", """select format('"%s" "%s"', rolname, rolpassword) from pg_authid
                                where rolname = 'pnl'"""], stdout=subprocess.PIPE, text=True, check=True)
    for path, content in [(users, passwords.stdout), (os.path.join(folder, "pgbouncer.ini"), text)]:
        with open(path, "w") as file:
            file.write(content)
    log = open(os.path.join(folder, "pgbouncer.log"), "w")
    process = subprocess.Popen([PGBOUNCER, os.path.join(folder, "pgbouncer.ini")], cwd="/", stdout=log, stderr=log)
    for _ in range(100):
        if subprocess.run(["psql", url(port, "pnl_tracker", "pnl", "secret"), "-Xqc", "select 1"], capture_output=True,
                          check=False).returncode == 0:
            return port, process
        time.sleep(0.1)
    sys.exit("PgBouncer does not start:\n" + open(log.name).read()[-2000:])


@contextlib.contextmanager
def stopping(*programs):
    """Ends them in this order."""
    try:
        yield
    finally:
        for program in programs:
            process = getattr(program, "process", program)
            process.send_signal(signal.SIGTERM if process is not program else signal.SIGINT)
            process.wait()


@contextlib.contextmanager
def no_redis(environment):
    service = common.serve(database("setup_alone"), environment)
    with stopping(service):
        yield service, service, "one process"


@contextlib.contextmanager
def redis(environment):
    service = common.serve(database("setup_redis"), {**environment, "REDIS_URL": os.environ["TEST_REDIS_URL"] + "/1"})
    with stopping(service):
        yield service, service, "one process, Redis"


@contextlib.contextmanager
def two(environment):
    environment = {**environment, "REDIS_URL": os.environ["TEST_REDIS_URL"] + "/2"}
    stored = database("setup_two")
    writes = common.serve(stored, environment)
    reads = common.serve(stored, {**environment, "PNL_SERVICE__ROLE": "api"})
    with stopping(writes, reads):
        yield writes, reads, "writes at one process, reads at another, Redis"


@contextlib.contextmanager
def behind_a_pooler(environment):
    with tempfile.TemporaryDirectory(prefix="pnl-setup.") as folder, contextlib.ExitStack() as ends:
        os.chmod(folder, 0o755)
        if AS_OWNER:
            shutil.chown(folder, "postgres")
        primary, process = server(folder, "primary")
        ends.enter_context(stopping(process))
        subprocess.run(["psql", url(primary), "-Xq", "-v", "ON_ERROR_STOP=1", "-v", "password=secret", "-v", "replicator_password=other",
                        "-f", os.path.join(ROOT, "deploy", "postgres", "roles.sql")], check=True)
        replica, process = server(folder, "replica", primary)
        ends.enter_context(stopping(process))
        port, process = pooler(folder, primary, replica)
        ends.enter_context(stopping(process))
        service = common.serve(url(port, "pnl_tracker", "pnl", "secret"), {
            **environment, "PNL_DATABASE__READ_URL": url(port, "pnl_tracker_read", "pnl", "secret"),
            "PNL_DATABASE__DIRECT_URL": url(primary, "pnl_tracker", "pnl", "secret"), "PNL_DATABASE__MAX_CONNECTIONS": "40"})
        with stopping(service):
            for _ in range(300):
                checks = {check["name"]: check for check in get(service.url + "/api/health/detailed")["checks"]}
                if checks["replica"]["state"] == "up":
                    break
                time.sleep(0.1)
            figure("replica", checks["replica"]["detail"], checks["replica"]["state"] == "up")
            version = subprocess.run([PGBOUNCER, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
            yield service, service, f"{version}, transaction mode, reads from a replica"
            reads = urllib.request.urlopen(service.urls[1] + "/metrics", timeout=60).read().decode()
            fallbacks = int(re.search(r"^db_replica_fallbacks_total (\d+)$", reads, re.M)[1])
            used = subprocess.run(["psql", url(replica, "pnl_tracker"), "-XAtqc",
                                   "select count(*) from pg_stat_activity where usename = 'pnl'"], stdout=subprocess.PIPE, text=True, check=True)
            figure("sessions at the replica, reads that fell back", [int(used.stdout), fallbacks], int(used.stdout) > 0)


SETUPS = {"no-redis": no_redis, "redis": redis, "two": two, "pooler": behind_a_pooler}


def main():
    options = contract.arguments(__doc__.splitlines()[0], 3000, 20)
    options.add_argument("setups", nargs="*", help="all without", metavar="SETUP")
    options = options.parse_args()
    unknown = set(options.setups) - set(SETUPS)
    if unknown:
        sys.exit(f"no such set-up: {', '.join(unknown)}; there are {', '.join(SETUPS)}")
    if not PGBOUNCER and "pooler" in (options.setups or SETUPS):
        sys.exit("TEST_PGBOUNCER names no PgBouncer of 1.21 or newer for the set-up pooler; scripts/pgbouncer.sh prints one")
    wallets, environment = contract.demo_chain()
    table, digests = [], set()
    for name in options.setups or SETUPS:
        print(f"== {name}", flush=True)
        before = common.failures
        with SETUPS[name](environment) as (writes, reads, how):
            digest = walk(writes, reads, wallets)
            digests.add(digest)
            figure("the same figures as in the set-up before", digest, len(digests) == 1)
            made, failed, is_described = contract.hammer(writes, reads, contract.known_things(writes, reads, wallets), options)
        table.append((name, how, digest, made, failed, "yes" if is_described else "NO", "ok" if common.failures == before else "FAIL"))
    print(f"\n{'set-up':10} {'figures':17} {'requests':>8} {'5xx':>4} {'as described':>12}  result  how")
    for name, how, digest, made, failed, described, verdict in table:
        print(f"{name:10} {digest:17} {made:8} {failed:4} {described:>12}  {verdict:6}  {how}")
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
