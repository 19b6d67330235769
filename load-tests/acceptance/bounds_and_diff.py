#!/usr/bin/env python3
"""Bounds and differences of recorded wallets over HTTP: the tables of docs/accounting.md.

  scripts/with-services.sh python3 load-tests/acceptance/bounds_and_diff.py

Wallets of the mainnet recordings, whose histories begin mid-life, and of a complete recording. `diff` compares a job with `as_of` at a
wallet's middle disposal with one over all, and that with a third by a second process to which SOL is a tenth dearer in the hour of that
disposal. Needs the release build (or PNL_TRACKER), python3, psql, and the fixtures and tools beside the checkout (or in TEST_FIXTURES_DIR
and TOOLS_DIR). Prints one line per figure; exit status 1 when a sum does not close.
"""
import datetime
import json
import os
import signal
import sys
import tempfile
from fractions import Fraction

import service as common
from group import SOLANA, serve
from service import FIXTURES, database, figure, get

PARTS = ["realized_gain_usd", "income_usd", "fee_expense_usd", "unrealized_gain_usd"]


def of(folder, prefixes):
    """The wallets of a folder that begin so."""
    known = json.load(open(os.path.join(folder, "wallets.json")))
    return [next(wallet for wallet in known if wallet.startswith(prefix)) for prefix in prefixes]


def job(service, wallet, **members):
    body = {"wallet_addresses": [wallet], "chain": "solana", **members}
    made = get(service.url + "/api/pnl/batch/run", body)["job_id"]
    common.wait_for(service, made, 2)
    return made, common.rows(service, made)[wallet]["result"]


def rounded(usd):
    return "unknown" if usd is None else f"{float(Fraction(usd)):,.6f}"


def show_bounds(service, wallet):
    _, result = job(service, wallet)
    bounds, score = result["bounds"], result["coverage_score"]
    closes = result["conservation"]["residual_usd"] == "0"
    text = [f"{result['transactions']} transactions", *(rounded(bounds[name]) for name in ("known", "min", "max")),
            f"{score['known']} of {score['disposals']} known whole", f"unmatched {rounded(result['unmatched_proceeds_usd'])}",
            f"unknown {rounded(result['unknown_proceeds_usd'])}", f"complete {result['coverage']['complete']}", f"assumed {bounds['min_assumed']}"]
    figure(f"bounds of {wallet[:8]}", ", ".join(text), closes)


def closes(diff):
    """Whether every level sums to the one above."""
    total = Fraction(diff["total_pnl_usd"])
    sums = [sum(Fraction(diff[name]) for name in PARTS)]
    if diff["causes"]:
        sums.append(sum(Fraction(part["total_pnl_usd"]) for part in diff["causes"].values()))
        sums += [sum(Fraction(part[name]) for part in diff["causes"].values()) - Fraction(diff[name]) + total for name in PARTS]
    realized = Fraction(diff["realized"]["new_transactions_usd"] or 0) + Fraction(diff["realized"]["elsewhere_usd"])
    return {*sums} == {total} and realized == Fraction(diff["realized_gain_usd"]) and diff["left_over_usd"] == "0"


def show_diff(service, wallet, what, jobs):
    diff = get(f"{service.url}/api/v2/wallets/{wallet}/diff?chain=solana&from={jobs[0]}&to={jobs[1]}")
    text = [rounded(diff["total_pnl_usd"]), *(f"{name} {rounded(diff[name])}" for name in PARTS),
            f"{diff['realized']['new_disposals']} new disposals", f"elsewhere {rounded(diff['realized']['elsewhere_usd'])}",
            f"changed {diff['changed']}", f"ledgers {diff['ledgers']}"]
    if diff["causes"]:
        text.append(f"{diff['prices']['events']['count']} events with other prices")
        text += [f"{name} {rounded(part['realized_gain_usd'])} realized, {rounded(part['unrealized_gain_usd'])} unrealized"
                 for name, part in diff["causes"].items()]
        text += [f"such as {row['event'][:8]}… {leg['asset'][:8]} {rounded(leg['from']['value_usd'])} to {rounded(leg['to']['value_usd'])}"
                 for row in diff["prices"]["events"]["listed"][:1] for leg in row["legs"][:1]]
    figure(f"diff of {wallet[:8]}, {what}", ", ".join(text), closes(diff))


def dearer(hours):
    """A folder of prices in which SOL is a tenth dearer in these hours."""
    folder = tempfile.mkdtemp()
    with open(os.path.join(FIXTURES, "prices", "sol_usd.csv")) as table, open(os.path.join(folder, "sol_usd.csv"), "w") as changed:
        for line in table:
            at, *prices = line.strip().split(",")
            if at in hours:
                prices = [format(float(price) * 1.1, ".8f") for price in prices]
            changed.write(",".join([at, *prices]) + "\n")
    return folder


def main():
    complete = os.path.join(SOLANA, "devnet_seed7")
    node, environment, service = serve(complete, url := database("acceptance_bounds"))
    wallets = of(complete, ["5SLu9yTG", "44tgxihn", "3Heep44Y"])
    show_bounds(service, wallets[0])
    whole, hours = {}, set()
    for wallet in wallets:
        whole[wallet], _ = job(service, wallet)
        rows = get(f"{service.url}/api/v2/wallets/{wallet}/disposals?chain=solana&limit=1000")["data"]
        middle = rows[len(rows) // 2]["ts"]
        hours.add(str(middle // 3600 * 3600))
        moment = datetime.datetime.fromtimestamp(middle, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        past, _ = job(service, wallet, as_of=moment)
        show_diff(service, wallet, f"from {moment}", (past, whole[wallet]))
    service.stop(signal.SIGTERM)
    service = common.serve(url, environment | {"PNL_PRICES__SOURCES": f'[{{kind="csv",path="{dearer(hours)}"}}]'})
    for wallet in wallets:
        again, _ = job(service, wallet)
        show_diff(service, wallet, "prices of an hour", (whole[wallet], again))
    service.stop(signal.SIGTERM)
    node.stop(signal.SIGTERM)
    node, _, service = serve(SOLANA, database("acceptance_bounds_recorded"))
    for wallet in of(SOLANA, ["CreQJ2t9", "FQT9SSwE"]):
        show_bounds(service, wallet)
    service.stop(signal.SIGTERM)
    node.stop(signal.SIGTERM)
    return 1 if common.failures else 0


if __name__ == "__main__":
    sys.exit(main())
