#!/usr/bin/env python3
"""Lists and summaries over many wallets, on a PostgreSQL and a service of the run.

  scripts/with-services.sh python3 load-tests/lists.py [--answers 300]

Needs psql and a build of pnl-tracker (PNL_TRACKER names it, else the release build). Made-up results of 55,026 and of a million
wallets (pnl-tracker seed-bench); of each how long GET /api/pnl/results takes on one connection, past the cache: with one row, which is the
summary; the first page of 100 rows; pages from the middle of the list on. One line per figure;
exit status 1 when a limit was missed.
"""
import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "acceptance"))
import service as common  # noqa: E402
from service import PROGRAM, database, figure  # noqa: E402

FEW, MANY = 55_026, 1_000_000
PAGE = 100
MOST_OF_A_PAGE = 1000


class Reader:
    """One connection that is kept."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.split("//")[1], timeout=60)

    def get(self, query):
        """Seconds and document of an answer."""
        begun = time.perf_counter()
        # Made anew each time: what is measured is the database, not what is kept.
        self.connection.request("GET", "/api/pnl/results?" + query, headers={"Cache-Control": "no-cache"})
        answer = self.connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - begun
        if answer.status != 200:
            sys.exit(f"/api/pnl/results?{query} answers {answer.status}: {body[:300]}")
        return seconds, json.loads(body)

    def milliseconds(self, queries):
        """Median and 95th of a hundred."""
        times = sorted(self.get(query)[0] * 1000 for query in queries)
        return times[len(times) // 2], times[len(times) * 95 // 100]

    def middle(self, sort, wallets):
        """The cursor behind half of the list."""
        cursor = ""
        for _ in range(wallets // 2 // MOST_OF_A_PAGE):
            _, page = self.get(f"sort={sort}&limit={MOST_OF_A_PAGE}{cursor}")
            cursor = "&cursor=" + page["next_cursor"]
        return cursor


def seed(wallets):
    """The URL of a new database with so many wallets."""
    url = database(f"lists_{wallets}_{os.getpid()}")
    begun = time.perf_counter()
    seeded = subprocess.run([PROGRAM, "seed-bench", "--rows", str(wallets)], env={**os.environ, "DATABASE_URL": url},
                            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    print(f"     {seeded.stdout.strip()}, in {time.perf_counter() - begun:.0f} s", flush=True)
    return url


def measure(url, wallets, answers):
    """Figures of a database with so many wallets."""
    service = common.serve(url, {"PNL_LOG__FILTER": "warn"}, log=sys.stderr)
    reader = Reader(service.url)
    reader.milliseconds(["limit=1"] * 20)
    times = {"summary": reader.milliseconds(["limit=1"] * answers)}
    for sort in ["-analyzed_at", "-trades", "total_pnl_usd"]:
        pages = [f"sort={sort}&limit={PAGE}"] * answers
        middle = reader.middle(sort, wallets)
        # In turn, so that both see the same machine.
        times["first", sort] = reader.milliseconds(pages)
        times["deep", sort] = reader.milliseconds([page + middle for page in pages])
    service.stop(signal.SIGTERM)
    return times


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--answers", type=int, default=300, help="answers per figure")
    options.add_argument("--summary-ms", type=float, default=5.0, help=f"limit of the 95th of a hundred at {FEW} wallets")
    options.add_argument("--ratio", type=float, default=1.5, help=f"limit of {MANY} wallets to {FEW}, and of deep pages to first")
    options.add_argument("--seeded", nargs=2, metavar="URL", help="databases that were seeded before, the small one first")
    options = options.parse_args()
    few, many = (measure(url, wallets, options.answers) for url, wallets in
                 zip(options.seeded or [seed(FEW), seed(MANY)], [FEW, MANY]))
    (median, limit), (many_median, many_limit) = few["summary"], many["summary"]
    figure(f"summary of {FEW} wallets, one row", f"median {median:.2f} ms, p95 {limit:.2f} ms (limit {options.summary_ms:g} ms)",
           limit < options.summary_ms)
    figure(f"summary of {MANY} wallets, one row", f"median {many_median:.2f} ms, p95 {many_limit:.2f} ms, "
           f"{many_limit / limit:.2f} of the p95 of {FEW} (limit {options.ratio:g})", many_limit <= options.ratio * limit)
    for wallets, times in [(FEW, few), (MANY, many)]:
        for sort in [key[1] for key in times if key[0] == "deep"]:
            (first, first_p95), (deep, deep_p95) = times["first", sort], times["deep", sort]
            figure(f"page of {PAGE} of {wallets} by {sort}", f"first: median {first:.2f} ms, p95 {first_p95:.2f} ms; from the middle: "
                   f"median {deep:.2f} ms, p95 {deep_p95:.2f} ms, {deep / first:.2f} of the median of the first (limit {options.ratio:g})",
                   deep <= options.ratio * first)
    sys.exit(1 if common.failures else 0)


if __name__ == "__main__":
    main()
