#!/usr/bin/env python3
"""Compares the engine with an independent exact program on random histories.

  compare-with-oracle.py TOOLS --engine 'CMD' [--histories N] [--seed S] [--method M] [--shape X]

TOOLS is the folder with accounting_oracle.py, accounting_metrics.py and accounting_gen.py. CMD reads a document on stdin and
writes its answer: `pnl-tracker engine`, or `target/release/examples/engine`. History number i of seed S has shape, length,
method, options and prices drawn from the random numbers of "S/i"; a line that differs names them, so one history can be run
again with --seed S --only i. Besides the shapes of accounting_gen.py there is "even": quantities and dollars of one digit, where
shares have to be rounded and many sales gain exactly nothing.

Quantities, lots, matches and their order are compared exactly, dollars within 1e-30 USD, metrics to the last of their 18
places. Where a metric is not that of exact fractions, it has to be the one that the independent program makes of the engine's
own disposals, to the last place and in every history: then it differs because shares are rounded at 1e-36 USD
(docs/accounting.md, Numbers), and by nothing else. "rounded shares" counts these histories.
"""
import argparse
import importlib
import json
import random
import shlex
import subprocess
import sys
from fractions import Fraction as F

TOLERANCE = F(1, 10 ** 30)
METHODS = ["fifo", "lifo", "hifo", "average"]
LENGTHS = {"simple": 300, "closing": 300, "wallet": 150, "dust": 120, "extreme": 120, "ties": 200, "moves": 120, "even": 60}
OPTIONS = {
    "scope": ["global"], "fee_policy": ["separate", "ignore"], "swap_fee_side": ["in", "out"],
    "oversold": ["zero_basis", "error"], "transfer_in": ["unknown", "zero", "income"], "transfer_out": ["dispose"],
    "unpriced": ["zero"], "hifo_key": ["spot"], "same_ts": ["acquire_first"],
}


def draw(gen, seed, number, args):
    """The document of history `number`, and what it is."""
    rng = random.Random("%s/%s" % (seed, number))
    shape = args.shape or rng.choice(sorted(LENGTHS))
    method = args.method or rng.choice(METHODS)
    length = rng.randint(2, LENGTHS[shape])
    # One pool that never empties makes the fractions of the oracle grow without bound.
    if method == "average":
        length = min(length, 120)
    if shape == "even":
        events, options = even(rng, length)
    else:
        events, options = gen.make(shape, length, rng.randint(1, 10 ** 9), rng.randint(1, 8))
    assets = sorted({leg["asset"] for e in events for leg in legs_of(e) if "asset" in leg})
    for name, values in OPTIONS.items():
        if rng.random() < 0.25:
            options[name] = rng.choice(values)
    if rng.random() < 0.1:
        options["cash_assets"] = [rng.choice(assets)]
    if rng.random() < 0.2:
        options["quote_assets"] = rng.sample(assets, rng.randint(1, len(assets)))
    document = {"method": method, "options": options, "events": events}
    if rng.random() < 0.7:
        document["prices"] = {a: "%d.%06d" % (rng.randint(0, 300), rng.randint(0, 10 ** 6 - 1))
                              for a in assets if rng.random() < 0.8}
    return shape, document


def even(rng, length):
    """Trades of a few assets at one or two prices, fees of a dollar or two."""
    held, events = {}, []
    for number in range(length):
        asset, quantity = rng.choice("ABC"), rng.randint(1, 9)
        buys = rng.random() < 0.5
        event = {"id": "e%d" % number, "ts": 1000 * number, "asset": asset, "decimals": 0,
                 "kind": "acquire" if buys else "dispose"}
        have = held.get(asset, 0)
        if not buys and have and rng.random() < 0.8:
            quantity = rng.choice([have, min(have, quantity)])
        event["qty"] = str(quantity)
        event["value"] = str(quantity * rng.randint(1, 2) if rng.random() < 0.5 else rng.randint(0, 9))
        if rng.random() < 0.2:
            event["fee"] = {"usd": str(rng.randint(0, 2))}
        held[asset] = have + quantity if buys else max(0, have - quantity)
        events.append(event)
    return events, {}


def legs_of(event):
    legs = [event[side] for side in ("out", "in") if side in event] or [event]
    fee = event.get("fee") or []
    return legs + (fee if isinstance(fee, list) else [fee])


def number_of(figure):
    if isinstance(figure, dict):
        figure = figure["frac"] or figure.get("dec40") or figure["dec"]
    return None if figure is None else F(str(figure))


def same_money(ours, theirs):
    ours, theirs = number_of(ours), number_of(theirs)
    return (ours is None) == (theirs is None) and (ours is None or abs(ours - theirs) <= TOLERANCE)


def differing(path, ours, theirs, exact):
    """The first difference between two JSON values; members of `exact` are compared as they are, others as money."""
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            return "%s: %s, not %s" % (path, ours, theirs)
        rows = (differing("%s[%d]" % (path, i), a, b, exact) for i, (a, b) in enumerate(zip(ours, theirs)))
        return next((row for row in rows if row), None)
    if isinstance(theirs, dict) and "dec" not in theirs:
        if set(ours) != set(theirs):
            return "%s: members %s" % (path, sorted(set(ours) ^ set(theirs)))
        rows = (compare_member("%s.%s" % (path, k), k, ours[k], theirs[k], exact) for k in theirs)
        return next((row for row in rows if row), None)
    return None if same_money(ours, theirs) else "%s: %s, not %s" % (path, ours, theirs)


def compare_member(path, name, ours, theirs, exact):
    if name in exact:
        return None if ours == theirs else "%s: %s, not %s" % (path, ours, theirs)
    return differing(path, ours, theirs, exact)


EXACT = {"event", "leg", "asset", "wallet", "ts", "qty", "matched_qty", "unknown_qty", "unmatched_qty", "lot", "acquired_ts",
         "hold_s", "decimals", "ok", "qty_residual", "unpriced_holdings"}


def compare(document, oracle, metrics, engine):
    """-> (what differs, whether a metric is another one for the rounding of shares alone)"""
    try:
        theirs = oracle.run(document)
        their_metrics = metrics.metrics(document)
    except oracle.OracleError as error:
        theirs = {"error": str(error)}
    run = subprocess.run(engine, input=json.dumps(document).encode(), stdout=subprocess.PIPE, timeout=600)
    ours = json.loads(run.stdout)
    if "error" in ours or "error" in theirs:
        both = "error" in ours and "error" in theirs
        return (None if both else "refused: %s / %s" % (ours.get("error"), theirs.get("error"))), False
    key = lambda lot: (lot["wallet"], lot["asset"])
    for result in (ours, theirs):
        result["lots"].sort(key=key)          # stable: inside a pool the order of consumption stays
    for part in ("disposals", "lots", "totals", "by_asset", "conservation"):
        difference = differing(part, ours[part], theirs[part], EXACT)
        if difference:
            return difference, False
    if not differing_metric(ours["metrics"], their_metrics):
        return None, False
    return differing_metric(ours["metrics"], metrics_of(ours, document, oracle, metrics)), True


def differing_metric(ours, theirs):
    """The first metric that is not the same text."""
    rows = ("metrics.%s: %s, not %s" % (k, ours[k], v) for k, v in theirs.items() if ours[k] != v)
    return next(rows, None)


def metrics_of(ours, document, oracle, metrics):
    """The independent metrics over the engine's disposals and lots."""
    money = ("gain", "basis", "proceeds")
    in_fractions = lambda row: dict(row, **{k: number_of(row[k]) for k in money if k in row})

    class Told(oracle.Engine):
        def run(self, events, prices=None):
            rows = (in_fractions(row) for row in ours["disposals"])
            self.disposals = [dict(row, matches=[in_fractions(m) for m in row["matches"]]) for row in rows]
            return {"lots": ours["lots"]}

    told, oracle.Engine = oracle.Engine, Told
    try:
        return metrics.metrics(document)
    finally:
        oracle.Engine = told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--shape", choices=sorted(LENGTHS))
    parser.add_argument("--only", type=int)
    args = parser.parse_args()
    sys.path.insert(0, args.tools)
    gen, oracle, metrics = map(importlib.import_module, ("accounting_gen", "accounting_oracle", "accounting_metrics"))
    engine = shlex.split(args.engine)
    numbers = range(args.histories) if args.only is None else [args.only]

    counts, failed, rounded = {}, 0, 0
    for number in numbers:
        shape, document = draw(gen, args.seed, number, args)
        difference, by_rounding = compare(document, oracle, metrics, engine)
        counts[document["method"]] = counts.get(document["method"], 0) + 1
        rounded += by_rounding and not difference
        if difference:
            failed += 1
            print("FAIL %d: %s, %s, %s: %s" % (number, shape, document["method"], document["options"], difference))
    print("%d histories (%s), seed %s: %d differ; rounded shares show in metrics of %d" % (
        len(numbers), ", ".join("%s %d" % row for row in sorted(counts.items())), args.seed, failed, rounded))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
