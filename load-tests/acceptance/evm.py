#!/usr/bin/env python3
"""The chains of the EVM over HTTP: three running nodes with a known history, explorers that list it, and recorded mainnet wallets.

  scripts/with-services.sh python3 load-tests/acceptance/evm.py --devnet FOLDER [PART…]

FOLDER has the generator of simulated chains (devnet.mjs; default EVM_DEVNET_DIR, else evm-devnet in TOOLS_DIR); what it needs of npm is
installed in a copy below target/. Also needed: the release build (or another in PNL_TRACKER), python3, psql, Node.js 20, and in TOOLS_DIR (default ../shared/tools)
replay_node.py and accounting_oracle.py. Parts, all without: node (own nodes, no explorer), explorer (the same histories by lists),
recorded (mainnet wallets of TEST_FIXTURES_DIR), reorg. Prints one line per figure; exit status 1 when one of them is wrong.
"""
import argparse
import collections
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from fractions import Fraction

import recorded_wallets
import service as common
import simulated
from service import PROGRAM, agrees_with_the_oracle, ask, database, figure, get, rows, submit, wait_for
from simulated import CHAINS, Relay

RATE = 2000
ALIAS = {"ethereum": "eth", "base": "base", "binance-smart-chain": "bsc"}
# What a wallet's own transactions cost; a second run needs none of them.
PER_TRANSACTION = ["eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getBlockReceipts", "debug_traceTransaction",
                   "trace_transaction", "ots_getInternalOperations", "txlistinternal by txhash"]
LISTS = ["ots_searchTransactionsAfter", "trace_filter", "eth_getLogs", "txlist", "txlistinternal", "tokentx", "tokennfttx", "token1155tx"]


def settings(devnets, providers, prices):
    """The environment of a service for these chains; `providers`: chain -> [(kind, url)], asked in this order."""
    made = {"PNL_PRICES__SOURCES": f'[{{kind="llama",url="{prices}/llama",requests_per_second=500}}]'}
    for chain, listed in providers.items():
        name = chain.upper().replace("-", "_")
        rows = [f'{{name="{kind}{place}",kind="{kind}",url="{url}",requests_per_second={rate}}}'
                for place, (kind, url, rate) in enumerate(listed)]
        made[f"PNL_CHAINS__{name}__PROVIDERS"] = f"[{','.join(rows)}]"
    for devnet in devnets:
        name = devnet.chain.upper().replace("-", "_")
        made[f"PNL_CHAINS__{name}__WRAPPED_NATIVE"] = devnet.contract["WETH"]
        made[f"PNL_CHAINS__{name}__PRICED_TOKENS"] = json.dumps([devnet.contract["ALFA"]])
        made[f"PNL_PRICES__STABLECOINS__{name}"] = json.dumps([devnet.contract["USDC"]])
    return made


def ledger(service, chain, wallet):
    """Every event of the wallet, over all pages."""
    found, cursor = [], ""
    while True:
        page = get(f"{service.url}/api/v2/wallets/{wallet}/ledger?chain={chain}&limit=200{cursor}")
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = "&cursor=" + page["next_cursor"]


def sums(events):
    """asset -> sum of its legs; single tokens under their contract; what is excluded left out."""
    total = collections.Counter()
    for event in events:
        if not event["excluded"]:
            for leg in event["legs"]:
                total[leg["asset"].split("/")[0]] += int(leg["raw"])
    return collections.Counter({asset: raw for asset, raw in total.items() if raw})


def run(service, chain, wallets, alias=None):
    job = submit(service, alias or chain, wallets)
    status = wait_for(service, job, len(wallets) + 1)
    found = rows(service, job)
    errors = {row["wallet"]: row["error"] for row in found.values() if row["error"]}
    done = status["status"] == "completed" and len(found) == len(wallets)
    return done, errors, found


def texts(found):
    return {wallet: json.dumps(row["result"]) for wallet, row in found.items()}


def calls_of(found):
    total = collections.Counter()
    for row in found.values():
        total.update(row["run"]["calls"])
    return total


def adds_up(service, devnet, found, past):
    """How many wallets sum to the balances that the generator read; `past`: whether the node tells balances of the past."""
    equal, rebasing, lying = 0, devnet.contract["DREB"], devnet.contract["POISON"]
    for wallet, row in found.items():
        events, known = ledger(service, devnet.chain, wallet), devnet.final_balances(wallet)
        have, unexplained = sums(events), row["result"]["unexplained_raw"]
        if past:
            good = {one["asset"] for one in unexplained} <= {rebasing}
            for one in unexplained:
                have[one["asset"]] += int(one["raw"])
        else:
            # Without balances nobody can tell a rebase or a lie: every other asset is exact.
            good = unexplained is None
            for asset in (rebasing, lying):
                have.pop(asset, None)
                known.pop(asset, None)
        equal += good and +have == known and all(raw >= 0 for raw in have.values())
    return equal


def lies_are_excluded(service, devnet, found):
    """Events of the token that lies stand in `excluded`, and nothing else does."""
    lying = devnet.contract["POISON"]
    seen = 0
    for wallet in found:
        document = get(f"{service.url}/api/v2/wallets/{wallet}/ledger?chain={devnet.chain}&format=oracle")
        if lying in json.dumps(document["events"]) or lying not in json.dumps(document["excluded"] or lying):
            return None
        seen += len(document["excluded"])
    return seen


def coin_values_are_right(service, devnet, found):
    """Every fee is worth what the hourly price table says; how many were looked at."""
    coin = "bnb" if devnet.chain == "binance-smart-chain" else "eth"
    with open(os.path.join(common.FIXTURES, "prices", f"{coin}_usd.csv")) as text:
        hours = {int(row["unix_seconds"]): Fraction(row["close"]) for row in csv.DictReader(text)}
    looked = 0
    for wallet in found:
        for event in ledger(service, devnet.chain, wallet):
            for leg in event["legs"]:
                if leg["side"] == "fee":
                    price = hours[event["block_time"] // 3600 * 3600]
                    if Fraction(leg["value_usd"]) != -int(leg["raw"]) * price / 10**18:
                        return None
                    looked += 1
    return looked


def looked_into(name, service, devnet, found, past):
    """The figures of a finished batch."""
    wallets = len(devnet.wallets)
    equal = adds_up(service, devnet, found, past)
    figure(f"{name}: ledgers sum to the node's balances", f"{equal} of {wallets} wallets", equal == wallets)
    agreeing = sum(agrees_with_the_oracle(service, devnet.chain, wallet, row["result"]) for wallet, row in found.items())
    figure(f"{name}: oracle agrees", f"{agreeing} wallets", agreeing == wallets)
    looked = coin_values_are_right(service, devnet, found)
    figure(f"{name}: fees at the hour's price", f"{looked} legs", bool(looked))
    priced = collections.Counter(leg["price_source"] for wallet in found for event in ledger(service, devnet.chain, wallet)
                                 for leg in event["legs"] if leg["value_usd"] is not None)
    figure(f"{name}: legs with a value, by source", dict(priced), {"par", "llama"} <= set(priced))


def own_nodes(devnets, prices):
    relays = {devnet.chain: Relay(devnet.url) for devnet in devnets}
    environment = settings(devnets, {chain: [("evm-rpc", relay.url, RATE)] for chain, relay in relays.items()}, prices.url)
    service = common.serve(database("evm_calm"), environment)
    calm = {}
    for devnet in devnets:
        name = f"own node, {devnet.chain}"
        done, errors, found = run(service, devnet.chain, devnet.wallets, ALIAS[devnet.chain])
        calm[devnet.chain] = texts(found)
        figure(f"{name}: wallets done", f"{len(found) - len(errors)} of {len(devnet.wallets)} {errors or ''}", done)
        transactions = sum(row["result"]["transactions"] for row in found.values())
        figure(f"{name}: calls for {transactions} transactions of wallets", dict(relays[devnet.chain].calls), True)
        looked_into(name, service, devnet, found, True)
        lies = lies_are_excluded(service, devnet, found)
        figure(f"{name}: false events excluded", lies, bool(lies))
        gaps = {tuple(row["result"]["coverage"]["missing"]) for row in found.values()}
        # The simulation charges nothing for the first layer, and does not say so.
        figure(f"{name}: named gaps", gaps, gaps == ({("l1_fee",)} if devnet.chain == "base" else {()}))
        pinned = {row["result"]["pinned"]["block"] for row in found.values()}.pop()
        relays[devnet.chain].reset()
        devnet.mine(40)
        done, errors, again = run(service, devnet.chain, devnet.wallets)
        calls = relays[devnet.chain].calls
        figure(f"{name}: second run, calls per transaction", {name: calls[name] for name in PER_TRANSACTION if calls[name]} or 0,
               done and not any(calls[name] for name in PER_TRANSACTION))
        oldest = min(oldest_block(method, params) for method, params in relays[devnet.chain].asked if method in LISTS)
        figure(f"{name}: second run, lists from block", f"{oldest}, pinned before at {pinned}", oldest >= pinned)
        same = all(pinless(again[wallet]["result"]) == pinless(found[wallet]["result"]) for wallet in found)
        figure(f"{name}: second run, same figures", same, same)
    addresses(service, devnets[0])
    figure("exit status after SIGTERM", service.stop(signal.SIGTERM), service.process.returncode == 0)
    analyzed(devnets[0], environment, calm[devnets[0].chain])
    killed(devnets, prices, environment)


def oldest_block(method, params):
    return params[1] + 1 if method == "ots_searchTransactionsAfter" else int(params[0]["fromBlock"], 16)


def pinless(result):
    """What of a result does not depend on the block that it was pinned to."""
    return {name: result[name] for name in ("realized_gain_usd", "income_usd", "fees_usd", "trades", "transactions", "unexplained_raw")}


def finished(service, jobs):
    return sum(get(f"{service.url}/api/pnl/batch/status/{job}")["counts"]["done"] for job in jobs.values())


def killed(devnets, prices, environment):
    """Batches of all chains at once, the process killed three times; then the same by a process that nobody kills."""
    slow = {name: value.replace(f"requests_per_second={RATE}", "requests_per_second=150") for name, value in environment.items()}
    wallets = sum(len(devnet.wallets) for devnet in devnets)
    crashing = database("evm_crash")
    service = common.serve(crashing, slow)
    jobs = {devnet.chain: submit(service, devnet.chain, devnet.wallets) for devnet in devnets}
    done_at = []
    for share in (0.15, 0.4, 0.7):
        simulated.wait_until(lambda: finished(service, jobs) >= share * wallets, "wallets done")
        done_at.append(finished(service, jobs))
        service.stop(signal.SIGKILL)
        service = common.serve(crashing, slow)
    for job in jobs.values():
        wait_for(service, job, wallets + 1)
    after = {chain: texts(rows(service, job)) for chain, job in jobs.items()}
    service.stop(signal.SIGTERM)
    service = common.serve(database("evm_calm_again"), environment)
    calm = {devnet.chain: texts(run(service, devnet.chain, devnet.wallets)[2]) for devnet in devnets}
    service.stop(signal.SIGTERM)
    equal = sum(after[chain][wallet] == calm[chain][wallet] for chain in calm for wallet in calm[chain])
    figure(f"killed when {done_at} of {wallets} wallets were done: byte-equal results", equal, equal == wallets)


def addresses(service, devnet):
    """A wrong checksum is refused in favour of the right one, which is accepted; answers are in lower case."""
    wallet = next(one for one in devnet.wallets if re.search("[a-f]", one))
    place = re.search("[a-f]", wallet[2:]).start() + 2
    for wrong in (wallet[:place] + wallet[place].upper() + wallet[place + 1:], wallet[:2] + wallet[2:].upper().replace("A", "a").replace("B", "b")):
        code, refusal = ask(service.url + "/api/pnl/batch/run", {"wallet_addresses": [wrong], "chain": "eth"})
        named = re.search("0x[0-9a-fA-F]{40}$", refusal.get("detail", ""))
        if code == 422:
            break
    right = named and named.group()
    figure("wrong checksum", f"{code}, the right one named: {right}", code == 422 and right and right.lower() == wallet and right != wrong)
    done, _, found = run(service, "eth", [right])
    answers = {row["chain"] for row in found.values()} | set(found)
    page = get(f"{service.url}/api/v2/wallets/{right}/pnl?chain=eth")
    good = done and answers == {"ethereum", wallet} and page["wallet"] == wallet and page["chain"] == "ethereum"
    figure("checksummed address on alias eth answered in lower case", answers, good)


def analyzed(devnet, environment, calm):
    """The one-shot command comes to the figures of the service."""
    wallet = devnet.wallets[0]
    for chain in (devnet.chain, ALIAS[devnet.chain]):
        command = [PROGRAM, "analyze", "--chain", chain, "--format", "json", wallet]
        done = subprocess.run(command, env={**os.environ, **environment, "DATABASE_URL": database("evm_analyze_" + chain)},
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        totals = re.findall(r'"realized_gain_usd": ?"([^"]*)"', done.stdout)
        expected = json.loads(calm[wallet])["realized_gain_usd"]
        figure(f"analyze --chain {chain}", f"exit status {done.returncode}, realized {totals[:1]}", done.returncode == 0 and expected in totals)


def by_explorer(devnets, replay):
    """The same histories as an explorer lists them: the first chain in the older form of the dialect, the others in the newer."""
    providers, relay = {}, Relay(replay.url)
    for place, devnet in enumerate(devnets):
        path = "/etherscan/v2/api" if place else f"/etherscan/{devnet.chain}/api"
        providers[devnet.chain] = [("etherscan", relay.url + path, RATE), ("evm-rpc", f"{replay.url}/evm/{devnet.chain}", RATE)]
    environment = settings(devnets, providers, replay.url)
    service = common.serve(database("evm_explorer"), environment)
    for devnet in devnets:
        name = f"explorer, {devnet.chain}"
        get(replay.url + "/_reset", {})
        done, errors, found = run(service, devnet.chain, devnet.wallets)
        figure(f"{name}: wallets done", f"{len(found) - len(errors)} of {len(devnet.wallets)} {errors or ''}", done)
        stats = get(replay.url + "/_stats")["calls"]
        figure(f"{name}: calls", stats, True)
        looked_into(name, service, devnet, found, False)
        gaps = {tuple(row["result"]["coverage"]["missing"]) for row in found.values()}
        expected = {"past_balances"} | ({"l1_fee"} if devnet.chain == "base" else set())
        figure(f"{name}: named gaps", gaps, all(expected <= set(gap) for gap in gaps))
        get(replay.url + "/_reset", {})
        relay.reset()
        done, errors, again = run(service, devnet.chain, devnet.wallets)
        asked = [int(re.search(r"startblock=(\d+)", path).group(1)) for _, path in relay.asked if "action=txlist&" in path]
        figure(f"{name}: second run, lists of transactions from blocks", sorted(asked), min(asked) > devnet.manifest["first_block"])
        calls = collections.Counter()
        for asked, count in get(replay.url + "/_stats")["calls"].items():
            calls[asked.split(" ")[-1]] += count
        figure(f"{name}: second run, calls", dict(calls), done and not any(calls[one] for one in PER_TRANSACTION))
        figure(f"{name}: second run, equal results", texts(again) == texts(found), texts(again) == texts(found))
    service.stop(signal.SIGTERM)
    explorers_with_faults(devnets, replay)


def explorers_with_faults(devnets, replay):
    """Lists in short pages; a plan that does not cover the chain; an explorer that says NOTOK for no reason."""
    devnet, words = devnets[0], "Free API access is not supported for this chain. Please upgrade your api plan for full chain coverage."
    node = ("evm-rpc", f"{replay.url}/evm/{devnet.chain}", RATE)

    def refuse(said):
        return lambda path: (path, json.dumps({"status": "0", "message": "NOTOK", "result": said}))

    cases = [("pages of 50 rows", lambda path: (path.replace("offset=10000", "offset=50"), None), None),
             ("a plan without the chain", refuse(words), "not-in-plan"),
             ("an explorer that fails", refuse("Unexpected error, timeout or server too busy. Please try again later"), "provider-error")]
    for place, (name, rewrite, code) in enumerate(cases):
        relay = Relay(replay.url, rewrite)
        providers = {devnet.chain: [("etherscan", f"{relay.url}/etherscan/v2/api", RATE), node]}
        environment = {**settings([devnet], providers, replay.url), "PNL_WORKER__CALL_TRIES": "1", "PNL_WORKER__BACKOFF_SECONDS": "1"}
        service = common.serve(database(f"evm_faults_{place}"), environment)
        done, errors, found = run(service, devnet.chain, devnet.wallets)
        if code is None:
            equal = adds_up(service, devnet, found, False)
            figure(f"explorer: {name}", f"{equal} of {len(devnet.wallets)} wallets sum to the balances", done and equal == len(devnet.wallets))
        else:
            said = {(error["code"], words in error["detail"]) for error in errors.values()}
            good = len(errors) == len(devnet.wallets) and said == {(code, code == "not-in-plan")}
            figure(f"explorer: {name}", f"{len(errors)} wallets fail with {said}", good)
        service.stop(signal.SIGTERM)


def reorg(folder, work, replay, arguments):
    """A node whose final blocks change: an alarm everywhere, and nothing is overwritten."""
    devnet = simulated.Devnet(folder, "ethereum", os.path.join(work, "reorg"), arguments.wallets, 5, arguments.seed + 1)
    log = open(os.path.join(work, "reorg.log"), "w+")
    environment = settings([devnet], {"ethereum": [("evm-rpc", devnet.url, RATE)]}, replay.url)
    url = database("evm_reorg")
    service = common.serve(url, environment, log=log)
    before = simulated.rpc(devnet.url, "evm_snapshot")
    devnet.mine(80)
    done, _, found = run(service, "ethereum", devnet.wallets)
    pinned = {row["result"]["pinned"]["block"] for row in found.values()}.pop()
    last = int(simulated.rpc(devnet.url, "eth_blockNumber"), 16) - 80
    figure("reorg: before it", f"{len(found)} wallets done at block {pinned}", done and last < pinned < last + 70)
    # The final block is 64 behind the head: first one before the block that was final, then one behind it.
    for place, blocks in enumerate((70, 120)):
        simulated.rpc(devnet.url, "evm_revert", before)
        before = simulated.rpc(devnet.url, "evm_snapshot")
        head = simulated.rpc(devnet.url, "eth_getBlockByNumber", "latest", False)
        # Another time makes other blocks.
        simulated.rpc(devnet.url, "evm_setNextBlockTimestamp", hex(int(head["timestamp"], 16) + 7 + place))
        devnet.mine(blocks)
        _, errors, _ = run(service, "ethereum", devnet.wallets)
        codes = collections.Counter(error["code"] for error in errors.values())
        figure(f"reorg, final block now {last + blocks - 64}: wallets fail", dict(codes), codes == {"final-block-changed": len(devnet.wallets)})
    log.seek(0)
    lines = [line for line in log if "a block that was final has changed" in line]
    figure("reorg: log", f"{len(lines)} lines", bool(lines))
    with urllib.request.urlopen(service.urls[1] + "/metrics") as answer:
        counted = [line for line in answer.read().decode().splitlines() if line.startswith('final_block_changes_total{chain="ethereum"}')]
    figure("reorg: metric", counted, bool(counted) and int(counted[0].split()[-1]) > 0)
    page = get(service.url + "/api/services/status")
    finality = [one["detail"] for one in page["services"] if one["name"] == "finality"]
    figure("reorg: status page", f"{page['status']}, {finality}", page["status"] == "degraded" and len(finality) == 1)
    said = subprocess.run([PROGRAM, "status"], env={**os.environ, **environment, "DATABASE_URL": url}, capture_output=True, text=True)
    alarm = [line for line in said.stdout.splitlines() if line.startswith("attention: block")]
    figure("reorg: pnl-tracker status", f"exit status {said.returncode}, {alarm}", said.returncode == 1 and len(alarm) == 1)
    kept = sum(pinless(get(f"{service.url}/api/v2/wallets/{wallet}/pnl?chain=eth")) == pinless(row["result"]) for wallet, row in found.items())
    figure("reorg: earlier results stay", f"{kept} wallets", kept == len(found))
    service.stop(signal.SIGTERM)
    devnet.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devnet", default=os.environ.get("EVM_DEVNET_DIR", os.path.join(common.TOOLS, "evm-devnet")))
    parser.add_argument("--wallets", type=int, default=6)
    parser.add_argument("--txs", type=int, default=40, help="transactions per wallet")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("part", nargs="*", choices=["node", "explorer", "recorded", "reorg", []])
    arguments = parser.parse_args()
    parts = arguments.part or ["node", "explorer", "recorded", "reorg"]
    with tempfile.TemporaryDirectory(prefix="pnl-evm.") as work:
        folder, devnets = None, []
        if parts != ["recorded"]:
            folder = simulated.generator(arguments.devnet)
            devnets = [simulated.Devnet(folder, chain, work, arguments.wallets, arguments.txs, arguments.seed) for chain in CHAINS]
        folders = {devnet.chain: devnet.records for devnet in devnets}
        replay = simulated.replay(devnets, folders, work)
        for devnet in devnets:
            # The pin is 64 blocks behind the head.
            devnet.mine(65)
        if "node" in parts:
            own_nodes(devnets, replay)
        if "explorer" in parts:
            by_explorer(devnets, replay)
        if "recorded" in parts:
            recorded_wallets.check(settings)
        if "reorg" in parts:
            reorg(folder, work, replay, arguments)
        replay.stop(signal.SIGTERM)
        for devnet in devnets:
            devnet.stop()
    return 1 if common.failures else 0


if __name__ == "__main__":
    sys.exit(main())
