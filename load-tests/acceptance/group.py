#!/usr/bin/env python3
"""Groups over HTTP, checked by a merge and an accounting that share no line with the service.

  scripts/with-services.sh python3 load-tests/acceptance/group.py

The ledgers of the wallets come from the service; merging them, finding what they sent each other, and the accounts of it
(accounting_oracle.py) are done here and compared with the group's result: totals, every disposal, every open lot. Each group is
submitted in three orders, and once the service is killed in between. Needs the release build (or PNL_TRACKER), python3, psql, and the
fixtures and tools beside the checkout (or in TEST_FIXTURES_DIR and TOOLS_DIR). Prints one line per figure; exit status 1 when one is wrong.
"""
import collections
import json
import os
import random
import signal
import sys
from fractions import Fraction

import service as common
from service import FIXTURES, TOLERANCE, TOOLS, Program, database, exact, figure, get, rows

import accounting_oracle

SOLANA = os.path.join(FIXTURES, "solana")
MOST = 100


def submit(service, wallets, group, **members):
    body = {"wallet_addresses": wallets, "chain": "solana", "group": group, **members}
    job = get(service.url + "/api/pnl/batch/run", body)["job_id"]
    status = common.wait_for(service, job, len(wallets) + 1)
    assert status["counts"]["done"] == len(wallets), status
    return job


def ledger(service, wallet):
    """Every event of a wallet's ledger."""
    events, cursor = [], ""
    while True:
        page = get(f"{service.url}/api/v2/wallets/{wallet}/ledger?chain=solana&limit=1000{cursor}")
        events += page["data"]
        if not page["has_more"]:
            return events
        cursor = "&cursor=" + page["next_cursor"]


def in_order(ledgers):
    """The transactions of all ledgers: [{wallet: events}], by block, and in a block as the ledgers agree."""
    blocks = collections.defaultdict(lambda: collections.defaultdict(list))
    for wallet, events in ledgers.items():
        for event in events:
            of_wallet = blocks[event["block"]][wallet]
            if not of_wallet or of_wallet[-1][0]["tx_id"] != event["tx_id"]:
                of_wallet.append([])
            of_wallet[-1].append(event)
    for block in sorted(blocks):
        queues = blocks[block]
        while any(queues.values()):
            heads = collections.defaultdict(list)
            for wallet, queue in queues.items():
                if queue:
                    heads[queue[0][0]["tx_id"]].append(wallet)
            named = collections.Counter(tx[0]["tx_id"] for queue in queues.values() for tx in queue)

            def place(tx_id):
                return min(queues[w][0][0]["order"][1] for w in heads[tx_id]), tx_id
            ready = [tx_id for tx_id in heads if named[tx_id] == len(heads[tx_id])] or list(heads)
            chosen = min(ready, key=place)
            views = {}
            for wallet, queue in queues.items():
                for n, tx in enumerate(queue):
                    if tx[0]["tx_id"] == chosen:
                        views[wallet] = queue.pop(n)
                        break
            yield views


def leg_of(leg, quantity=None, value=None):
    return {"asset": leg["asset"], "qty": str(abs(int(leg["raw"])) if quantity is None else quantity),
            "decimals": leg["decimals"] or 0, "value": leg["value_usd"] if quantity is None else value}


def accounting_event(event, decimals):
    """A ledger event in the vocabulary of the oracle."""
    out = {"wallet": event["wallet"], "kind": event["kind"], "link": event["link"]}
    legs = [dict(leg, decimals=decimals[leg["asset"]]) for leg in event["legs"]]
    fees = [leg for leg in legs[1 if event["kind"] == "fee" else 0:] if leg["side"] == "fee"]
    if event["kind"] == "swap":
        sides = {leg["side"]: leg_of(leg) for leg in legs if leg["side"] in ("in", "out")}
        out |= {"out": sides["out"], "in": sides["in"], "value": sides["out"]["value"]}
        assert sides["out"]["value"] == sides["in"]["value"]
    elif legs:
        out |= leg_of(legs[0])
    else:
        out |= {"asset": "native", "qty": str(abs(int(event["pool_raw"]))), "decimals": 9, "value": None}
    if fees:
        out["fee"] = [leg_of(leg) for leg in fees]
    return out


def moved(event, side, kind):
    legs = event["legs"]
    return (event["kind"] == kind and not event["link"] and not event["excluded"] and len(legs) == 1
            and legs[0]["side"] == side)


def merged(ledgers, decimals):
    """The events of the group and how many moves it has."""
    events, moves, time = [], 0, 0
    for views in in_order(ledgers):
        pieces = collections.defaultdict(list)  # (wallet, place) -> [(move, quantity)]
        ends = collections.defaultdict(lambda: ([], []))
        count = 0
        for wallet in sorted(views):
            for place, event in enumerate(views[wallet]):
                for side, kind, number in (("out", "transfer_out", 0), ("in", "transfer_in", 1)):
                    if moved(event, side, kind):
                        leg = event["legs"][0]
                        ends[leg["asset"]][number].append([wallet, place, abs(int(leg["raw"]))])
        for asset in sorted(ends):
            sent, received = ends[asset]

            def pair(one, other):
                nonlocal count
                quantity = min(one[2], other[2])
                if quantity and one[0] != other[0]:
                    for end in (one, other):
                        end[2] -= quantity
                        pieces[end[0], end[1]].append((count, quantity))
                    count += 1
            for one in sent:
                twin = next((other for other in received if other[2] == one[2]), None)
                if twin:
                    pair(one, twin)
            for one in sent:
                for other in received:
                    pair(one, other)
        moves += count
        senders = {w for (w, place) in pieces if views[w][place]["kind"] == "transfer_out"}
        number = 0
        for wallet in sorted(views, key=lambda w: (w not in senders, w)):
            for place, event in enumerate(views[wallet]):
                time = max(time, event["ts"])
                parts = [(event, None)]
                if (wallet, place) in pieces:
                    rest, parts = abs(int(event["legs"][0]["raw"])), []
                    for move, quantity in pieces[wallet, place]:
                        parts.append(({**event, "link": f"{event['tx_id']}:move:{move}"}, quantity))
                        rest -= quantity
                    if rest:
                        parts.append(({**event, "kind": "fee"} if event["kind"] == "transfer_out" else event, rest))
                whole = event["legs"] and event["legs"][0]["value_usd"]
                left, of = (Fraction(whole), abs(int(event["legs"][0]["raw"]))) if whole is not None and event["legs"] else (None, 0)
                for part, quantity in parts:
                    if not part["excluded"]:
                        line = accounting_event(part, decimals)
                        if quantity is not None:
                            share = None
                            if left is not None:
                                scale = 10 ** 36
                                share = Fraction(int(left * scale) * quantity // of, scale)
                                left, of = left - share, of - quantity
                            line |= {"qty": str(quantity), "value": None if share is None else decimal(share)}
                        if line["link"] and not line["link"].count(":move:"):
                            line["link"] += ":" + wallet
                        if not line["link"]:
                            del line["link"]
                        events.append({"id": f"{part['tx_id']}:{number}", "ts": time, "seq": len(events), **line})
                    number += 1
    return events, moves


def decimal(share):
    """A multiple of 1e-36 as decimal text."""
    units = share * 10 ** 36
    assert units.denominator == 1
    return f"{units.numerator // 10 ** 36}.{units.numerator % 10 ** 36:036d}"


def matches(ours, theirs):
    """Whether two lists of (key, figure or None) hold the same."""
    if len(ours) != len(theirs):
        return False
    order = lambda row: (row[0], row[1] is not None, row[1] or 0)
    return all(a[0] == b[0] and (a[1] is None) == (b[1] is None) and (a[1] is None or abs(a[1] - b[1]) <= TOLERANCE)
               for a, b in zip(sorted(ours, key=order), sorted(theirs, key=order)))


def differences(service, job, wallets, method="fifo"):
    """What the group's result and the independent one differ in, and the number of moves and disposals."""
    ledgers = {wallet: ledger(service, wallet) for wallet in wallets}
    documents = [get(f"{service.url}/api/v2/wallets/{w}/ledger?chain=solana&format=oracle") for w in sorted(wallets)]
    prices = {asset: price for document in documents for asset, price in document["prices"].items()}
    decimals = {}
    for wallet in sorted(wallets):
        for event in ledgers[wallet]:
            for leg in event["legs"]:
                decimals[leg["asset"]] = leg["decimals"] if decimals.get(leg["asset"]) is None else decimals[leg["asset"]]
    events, moves = merged(ledgers, decimals)
    truth = accounting_oracle.run({"method": method, "options": documents[0]["options"], "events": events, "prices": prices})
    ours = get(f"{service.url}/api/pnl/batch/results/{job}/group?include=lots,disposals")["result"]
    found = []
    for our, their in (("realized_gain_usd", "realized_gain"), ("income_usd", "income"), ("fee_expense_usd", "fee_expense"),
                       ("fees_usd", "fees_usd"), ("unrealized_gain_usd", "unrealized_gain"),
                       ("unknown_proceeds_usd", "unknown_proceeds"), ("unmatched_proceeds_usd", "unmatched_proceeds")):
        if abs(Fraction(ours[our]) - exact(truth["totals"][their])) > TOLERANCE:
            found.append(our)
    if ours["moves"] != moves:
        found.append(f"moves {ours['moves']} {moves}")
    is_pool = lambda row: row["wallet"].endswith("#rent")
    lots = lambda rows, read: [((r["lot"], r["asset"], r["wallet"], r["qty"], r["acquired_ts"]), read(r["basis"]))
                               for r in rows if not is_pool(r)]
    if not matches(lots(ours["lots"], lambda b: b and Fraction(b)), lots(truth["lots"], lambda b: b and exact(b))):
        found.append("lots")
    sold = lambda rows, read: [((r["event"], r["leg"], r["asset"], r["wallet"], r["qty"], r["matched_qty"], r["unmatched_qty"]),
                                read(r["gain"])) for r in rows if not is_pool(r)]
    if not matches(sold(ours["disposals"], lambda g: g and Fraction(g)), sold(truth["disposals"], lambda g: g and exact(g))):
        found.append("disposals")
    for name in ("realized_gain_usd", "income_usd", "fee_expense_usd", "fees_usd", "unrealized_gain_usd"):
        if sum(Fraction(row[name]) for row in ours["members"]) != Fraction(ours[name]):
            found.append(f"sum of {name}")
    exported = get(f"{service.url}/api/pnl/batch/results/{job}/group/ledger?format=oracle")
    again = accounting_oracle.run(exported)
    if abs(exact(again["totals"]["realized_gain"]) - Fraction(ours["realized_gain_usd"])) > TOLERANCE:
        found.append("exported ledger")
    return found, moves, len(ours["disposals"])


def result(service, job):
    return json.dumps(get(f"{service.url}/api/pnl/batch/results/{job}/group")["result"])


def serve(folder, database_url):
    node = Program(["python3", os.path.join(TOOLS, "replay_node.py"), "--port", "0", "--solana", folder,
                    "--prices", os.path.join(FIXTURES, "prices")])
    provider = f'[{{name="replay",kind="solana-rpc",url="{node.url}/solana",requests_per_second=400}}]'
    environment = {"PNL_CHAINS__SOLANA__PROVIDERS": provider,
                   "PNL_PRICES__SOURCES": f'[{{kind="csv",path="{os.path.join(FIXTURES, "prices")}"}}]'}
    return node, environment, common.serve(database_url, environment)


def recorded_groups():
    """Wallets of the recordings that are named together in transactions, 100 at most together."""
    together = collections.Counter()
    for name in sorted(os.listdir(os.path.join(SOLANA, "transactions"))):
        found = json.load(open(os.path.join(SOLANA, "transactions", name)))
        keys = found["transaction"]["message"]["accountKeys"]
        keys = [key["pubkey"] if isinstance(key, dict) else key for key in keys]
        owners = {row["owner"] for side in ("preTokenBalances", "postTokenBalances")
                  for row in found["meta"].get(side) or [] if row.get("owner")}
        for wallet in owners | {keys[0]}:
            together[wallet] += len(owners | {keys[0]})
    wallets = [wallet for wallet, _ in sorted(together.items(), key=lambda row: (-row[1], row[0]))]
    return [wallets[:MOST], wallets[MOST:2 * MOST], wallets[:7]]


def check(folder, groups, label):
    node, environment, service = serve(folder, database(f"acceptance_group_{label}"))
    for number, wallets in enumerate(groups):
        name = f"{label} {number} ({len(wallets)} wallets)"
        job = submit(service, wallets, True)
        found, moves, disposals = differences(service, job, wallets)
        figure(f"{name}: differences to the independent accounts", f"{found} with {moves} moves, {disposals} disposals", not found)
        first = result(service, job)
        orders = [wallets[::-1], random.Random(number).sample(wallets, len(wallets))]
        equal = sum(result(service, submit(service, order, True)) == first for order in orders)
        figure(f"{name}: other orders with the same bytes", f"{equal} of {len(orders)}", equal == len(orders))
        alone = submit(service, wallets, False)
        ours, theirs = rows(service, job), rows(service, alone)
        same = sum(ours[w]["result"] == theirs[w]["result"] for w in wallets)
        figure(f"{name}: results of wallets as without a group", f"{same} of {len(wallets)}", same == len(wallets))
        for method in ("lifo", "hifo"):
            found, *_ = differences(service, submit(service, wallets, True, method=method), wallets, method)
            figure(f"{name}: {method}", found, not found)
    wallets, database_url = groups[0], database(f"acceptance_group_{label}_killed")
    service.stop(signal.SIGTERM)
    service = common.serve(database_url, environment)
    job = get(service.url + "/api/pnl/batch/run", {"wallet_addresses": wallets, "chain": "solana", "group": True})["job_id"]
    kills = 0
    for share in (0.3, 0.9, 1.0):
        common.wait_for(service, job, int(share * len(wallets)))
        service.stop(signal.SIGKILL)
        kills += 1
        service = common.serve(database_url, environment)
    status = common.wait_for(service, job, len(wallets) + 1)
    found, *_ = differences(service, job, wallets)
    figure(f"{label}: killed {kills} times", f"{status['status']}, differences {found}", status["status"] == "completed" and not found)
    service.stop(signal.SIGTERM)
    node.stop(signal.SIGTERM)


def main():
    manifest = json.load(open(os.path.join(SOLANA, "devnet_seed7", "manifest.json")))
    check(os.path.join(SOLANA, "devnet_seed7"), [manifest["wallets"], manifest["wallets"][:2]], "devnet")
    check(SOLANA, recorded_groups(), "recorded")
    return 1 if common.failures else 0


if __name__ == "__main__":
    sys.exit(main())
