#!/usr/bin/env python3
"""Times the engine beside rp2 on one history, and compares their total gains.

  compare-with-rp2.py TOOLS --engine 'CMD' [--events 50000] [--seed 1] [--method fifo] [--at-least 300]

TOOLS is the folder with accounting_gen.py. CMD reads a document on stdin and prints a line with "fastest" and a time, and
"realized gain" and a figure: target/release/examples/engine_speed. rp2 must be importable (pip install rp2, in an environment of
its own); its objects are made before the clock starts, ours are read before it as well. The history is bought and sold only, in
one asset, so that both compute the same: rp2 rounds at 31 digits, the gains must agree to 1e-12 USD. Prints the ratio of the two
times and fails below --at-least. Of rp2 one run is taken, of the engine the median of 21.
"""
import argparse
import configparser
import importlib
import json
import logging
import re
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from fractions import Fraction as F


def rp2_run(events, method):
    """-> (seconds for objects, seconds for the gains, total gain, version)"""
    from importlib.metadata import version
    from prezzemolo.avl_tree import AVLTree
    from rp2.accounting_engine import AccountingEngine
    from rp2.configuration import Configuration
    from rp2.in_transaction import InTransaction
    from rp2.input_data import InputData
    from rp2.out_transaction import OutTransaction
    from rp2.plugin.country.us import US
    from rp2.rp2_decimal import ZERO, RP2Decimal
    from rp2.tax_engine import compute_tax
    from rp2.transaction_set import TransactionSet
    from rp2.configuration import MAX_DATE, MIN_DATE

    logging.disable(logging.CRITICAL)
    config = configparser.ConfigParser()
    config["in_header"] = {name: str(i) for i, name in enumerate(
        ["timestamp", "asset", "exchange", "holder", "transaction_type", "spot_price", "crypto_in", "fiat_fee", "unique_id", "notes"])}
    config["out_header"] = {name: str(i) for i, name in enumerate(
        ["timestamp", "asset", "exchange", "holder", "transaction_type", "spot_price", "crypto_out_no_fee", "crypto_fee", "unique_id",
         "notes"])}
    config["intra_header"] = {name: str(i) for i, name in enumerate(
        ["timestamp", "asset", "from_exchange", "from_holder", "to_exchange", "to_holder", "spot_price", "crypto_sent",
         "crypto_received", "unique_id", "notes"])}
    config["general"] = {"assets": "TOK", "exchanges": "X", "holders": "Me"}
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        config.write(file)
        file.flush()
        configuration = Configuration(file.name, US())
    started = time.perf_counter()
    ins, outs, intras = (TransactionSet(configuration, kind, "TOK", MIN_DATE, MAX_DATE) for kind in ("IN", "OUT", "INTRA"))
    for row, event in enumerate(events, 1):
        when = datetime.fromtimestamp(event["ts"], timezone.utc).isoformat()
        quantity = RP2Decimal(event["qty"]) / RP2Decimal(10 ** event["decimals"])
        price = RP2Decimal(event["price"])
        if event["kind"] == "acquire":
            ins.add_entry(InTransaction(configuration, when, "TOK", "X", "Me", "BUY", price, quantity, fiat_fee=ZERO, row=row,
                                        unique_id=event["id"]))
        else:
            outs.add_entry(OutTransaction(configuration, when, "TOK", "X", "Me", "SELL", price, quantity, ZERO, row=row,
                                          unique_id=event["id"]))
    data = InputData("TOK", ins, outs, intras)
    made = time.perf_counter()
    methods = AVLTree()
    methods.insert_node(1970, importlib.import_module("rp2.plugin.accounting_method." + method).AccountingMethod())
    computed = compute_tax(configuration, AccountingEngine(methods), data)
    done = time.perf_counter()
    gain = sum((F(str(row.fiat_gain)) for row in computed.gain_loss_set), F(0))
    return made - started, done - made, gain, version("rp2")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--method", choices=["fifo", "lifo"], default="fifo")
    parser.add_argument("--at-least", type=float, default=300)
    args = parser.parse_args()
    sys.path.insert(0, args.tools)
    events, _ = importlib.import_module("accounting_gen").make("simple", args.events, args.seed)

    document = json.dumps({"method": args.method, "events": events}).encode()
    engine = subprocess.run(shlex.split(args.engine) + ["21"], input=document, stdout=subprocess.PIPE, check=True)
    line = engine.stdout.decode()
    size, unit = re.search(r"median ([0-9.]+)(ns|µs|ms|s)", line).groups()
    ours = float(size) * {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
    our_gain = F(re.search(r"realized gain (-?[0-9.]+)", line)[1])

    objects, theirs, gain, version = rp2_run(events, args.method)
    ratio = theirs / ours
    print("%d events, seed %d, %s" % (args.events, args.seed, args.method))
    print("  engine      %10.6f s  (median of 21, records and totals included)" % ours)
    print("  rp2 %-7s %10.3f s  (its objects %.2f s more)" % (version, theirs, objects))
    print("  ratio       %10.0f    at least %g: %s" % (ratio, args.at_least, "kept" if ratio >= args.at_least else "BROKEN"))
    print("  gain        %s" % ("equal" if abs(gain - our_gain) < F(1, 10 ** 12) else "DIFFERS: %s, %s" % (gain, our_gain)))
    return 0 if ratio >= args.at_least and abs(gain - our_gain) < F(1, 10 ** 12) else 1


if __name__ == "__main__":
    sys.exit(main())
