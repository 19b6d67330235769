"""Wallets of recorded mainnet transactions (evm.py, part `recorded`): an explorer and a node that know nothing but the recordings."""
import collections
import json
import os
import signal

import service as common
from service import FIXTURES, agrees_with_the_oracle, database, figure, get, rows, submit, wait_for

FOLDERS = {"ethereum": "ethereum", "base": "base", "binance-smart-chain": "binance-smart-chain"}
WRAPPED = {"ethereum": "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "base": "0x4200000000000000000000000000000000000006",
           "binance-smart-chain": "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c"}
# A node without state of the past, and traces of only some transactions: what a result may and must say.
GAPS = {"index_head", "traces", "l1_fee", "past_balances"}
BATCH = 400


def expected(row, wrapped):
    """asset -> change of the wallet with its fee; without the coin where the recording does not know it."""
    changes = collections.Counter()
    for change in row["net_changes"]:
        asset = "native" if change["asset"] == wrapped else change["asset"]
        item = change.get("token_id")
        changes[asset if item is None else f"{asset}/{item}"] += int(change["raw"])
    changes["native"] -= int(row["gas_paid_wei"])
    return changes


def booked(service, chain, wallet):
    """transaction -> asset -> sum of the legs."""
    found, cursor = collections.defaultdict(collections.Counter), ""
    while True:
        page = get(f"{service.url}/api/v2/wallets/{wallet}/ledger?chain={chain}&limit=200{cursor}")
        for event in page["data"]:
            for leg in event["legs"]:
                found[event["tx_id"]][leg["asset"]] += int(leg["raw"])
        if not page["has_more"]:
            return found
        cursor = "&cursor=" + page["next_cursor"]


def check(settings):
    root = os.path.join(FIXTURES, "evm")
    chains = [word for chain, folder in FOLDERS.items() for word in ("--evm", f"{chain}={os.path.join(root, folder)}")]
    replay = common.Program(["python3", os.path.join(common.TOOLS, "replay_node.py"), "--port", "0",
                             "--prices", os.path.join(FIXTURES, "prices"), *chains])
    providers = {chain: [("etherscan", f"{replay.url}/etherscan/v2/api", 2000), ("evm-rpc", f"{replay.url}/evm/{chain}", 2000)]
                 for chain in FOLDERS}
    service = common.serve(database("evm_recorded"), settings([], providers, replay.url))
    truth = json.load(open(os.path.join(root, "expected.json")))["chains"]
    for chain in FOLDERS:
        users = sorted({row["user"].lower() for expectations in truth[chain].values() for row in expectations})
        found, agreeing = {}, 0
        for at in range(0, len(users), BATCH):
            job = submit(service, chain, users[at:at + BATCH])
            wait_for(service, job, BATCH + 1)
            found |= rows(service, job)
        failed = {row["error"]["code"]: row["wallet"] for row in found.values() if row["error"]}
        figure(f"recorded, {chain}: wallets done", f"{len(found)} of {len(users)} {failed or ''}", len(found) == len(users) and not failed)
        gaps = collections.Counter(gap for row in found.values() for gap in row["result"]["coverage"]["missing"])
        named = all(not row["result"]["coverage"]["complete"] for row in found.values() if row["result"]["coverage"]["missing"] != ["past_balances"])
        figure(f"recorded, {chain}: named gaps, by wallets", dict(gaps), named and set(gaps) <= GAPS and gaps["past_balances"] == len(found))
        compare(service, chain, truth[chain], found)
        agreeing = sum(agrees_with_the_oracle(service, chain, wallet, row["result"]) for wallet, row in found.items())
        figure(f"recorded, {chain}: oracle agrees", f"{agreeing} wallets", agreeing == len(found))
    service.stop(signal.SIGTERM)
    replay.stop(signal.SIGTERM)


def compare(service, chain, truth, found):
    """Every expectation against the ledger: equal, different, or of a transaction that no list of the recordings names."""
    ledgers = {wallet: booked(service, chain, wallet) for wallet in found}
    said, different = collections.Counter(), []
    for tx, expectations in truth.items():
        for row in expectations:
            wallet = row["user"].lower()
            have, want = ledgers[wallet].get(tx), expected(row, WRAPPED[chain])
            # Some expectations know the whole fee, where the recorded receipt does not.
            lacks_fee = row["gas_paid_wei"] != "0" and "receipt_lacks_l1_fee" in row["tags"]
            complete = row["native_net_complete"] and row["gas_complete"] and not lacks_fee
            if not complete:
                want.pop("native", None)
                have and have.pop("native", None)
                missing = set(found[wallet]["result"]["coverage"]["missing"])
                if missing & {"traces", "l1_fee"}:
                    said["coin unknown, and said so"] += 1
                elif "user_is_not_sender" in row["tags"]:
                    # Lists of the wallet's coins are the explorer's word that none moved; this one only knows the recordings.
                    said["coin unknown, in no list of coins"] += 1
                else:
                    said["coin unknown, NOT said"] += 1
            want = {asset: raw for asset, raw in want.items() if raw}
            if {asset: raw for asset, raw in (have or {}).items() if raw} == want:
                said["equal"] += 1
            elif have is None:
                said["in no list"] += 1
            else:
                said["different"] += 1
                different.append((tx, wallet))
    good = not said["different"] and not said["coin unknown, NOT said"]
    figure(f"recorded, {chain}: {sum(map(len, truth.values()))} expectations", f"{dict(said)} {different[:3] or ''}", good)
