"""Simulated chains for evm.py: a running node with a known history, a relay that counts and can lie, and a price source."""
import atexit
import collections
import csv
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import service as common

CHAINS = {"ethereum": 1, "base": 8453, "binance-smart-chain": 56}
LLAMA = {"ethereum": "ethereum", "base": "base", "binance-smart-chain": "bsc"}
HOUR = 3600


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def rpc(url, method, *params):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = common.get(url, body)
    if "error" in answer:
        sys.exit(f"{method}: {answer['error']}")
    return answer["result"]


def generator(folder):
    """The folder of the generator with what it needs installed; the given one is never changed."""
    if not os.path.exists(os.path.join(folder, "devnet.mjs")):
        sys.exit(f"There is no generator of simulated chains in {folder}: name its folder (the one with devnet.mjs) with --devnet or "
                 "EVM_DEVNET_DIR. Only this program needs it, the service does not.")
    if os.path.isdir(os.path.join(folder, "node_modules")):
        return folder
    copy = os.path.join(common.ROOT, "target", "evm-devnet")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    if not os.path.isdir(os.path.join(copy, "node_modules")):
        done = subprocess.run(["npm", "install", "--no-package-lock", "--silent"], cwd=copy)
        if done.returncode:
            sys.exit(f"npm install failed in {copy}: a simulated chain needs Node.js 20 and its packages")
    return copy


class Devnet:
    """A node of a simulated chain, and what its generator knows of its history."""

    def __init__(self, folder, chain, work, wallets, transactions, seed):
        self.chain, self.url = chain, f"http://127.0.0.1:{free_port()}"
        self.records = os.path.join(work, chain)
        manifest = os.path.join(self.records, "manifest.json")
        os.makedirs(self.records)
        command = ["node", os.path.join(folder, "devnet.mjs"), "--serve", "--quiet", "--port", self.url.rsplit(":", 1)[1],
                   "--chain-id", str(CHAINS[chain]), "--wallets", str(wallets), "--txs", str(transactions), "--seed", str(seed),
                   "--out", manifest, "--fixtures", self.records, "--traces"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.terminate)
        if not self.process.stdout.readline().startswith("READY"):
            sys.exit("the simulated chain did not start")
        self.manifest = json.load(open(manifest))
        self.wallets = self.manifest["wallets"]
        self.contract = self.manifest["contracts"]

    def mine(self, blocks):
        rpc(self.url, "anvil_mine", hex(blocks))

    def final_balances(self, wallet):
        """asset -> units; the wrapped coin is the coin, and of single tokens there is the count under their contract."""
        balances = collections.Counter()
        for asset, raw in self.manifest["final_balances"][wallet].items():
            asset = asset.lower()
            balances["native" if asset == self.contract["WETH"] else asset] += int(raw)
        return +balances

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Relay:
    """Passes requests on to another address, and counts them as a replay node does; `rewrite` may answer or change one first."""

    def __init__(self, target, rewrite=None):
        self.target, self.rewrite = target, rewrite
        self.calls, self.asked, self.lock = collections.Counter(), [], threading.Lock()
        relay = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer(None)

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

            def answer(self, body):
                path, own = self.path, None
                relay.note(json.loads(body) if body else {"method": "GET", "params": self.path})
                if relay.rewrite:
                    path, own = relay.rewrite(path)
                data = own.encode() if own is not None else relay.forward(path, body)
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # A service that is killed lets go of its connections in the middle.
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, body):
        with self.lock:
            for call in body if isinstance(body, list) else [body]:
                self.calls[call["method"]] += 1
                self.asked.append((call["method"], call.get("params")))

    def forward(self, path, body):
        request = urllib.request.Request(self.target + path, body, {"content-type": "application/json"} if body else {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def reset(self):
        with self.lock:
            self.calls, self.asked = collections.Counter(), []


def priced(devnets, work):
    """A folder of hourly prices: the recorded ones of the coins, and of the simulated token what its pool says at every transaction."""
    folder = os.path.join(work, "prices")
    shutil.copytree(os.path.join(common.FIXTURES, "prices"), folder)
    os.chmod(folder, 0o755)
    names = {}
    for devnet in devnets:
        coin = "bnb" if devnet.chain == "binance-smart-chain" else "eth"
        with open(os.path.join(folder, f"{coin}_usd.csv")) as text:
            hours = {int(row["unix_seconds"]): row["close"] for row in csv.DictReader(text)}
        token, name = devnet.contract["ALFA"], f"alfa{CHAINS[devnet.chain]}"
        with open(os.path.join(folder, f"{name}_usd.csv"), "w") as text:
            print("unix_seconds,open,high,low,close", file=text)
            for row in devnet.manifest["transactions"]:
                pool = row["v2_reserves_after"]["V2Pair_WETH_ALFA"]
                reserves = [int(pool["reserve0"]), int(pool["reserve1"])]
                alfa, weth = reserves if pool["token0"] == token else reserves[::-1]
                hour = row["timestamp"] // HOUR * HOUR
                close = f"{float(hours[hour]) * weth / alfa:.9f}"
                print(hour, close, close, close, close, sep=",", file=text)
        names[name] = [f"{LLAMA[devnet.chain]}:{token}"]
    return folder, names


def replay(devnets, folders, work):
    """The replay node: the recorded histories of `folders` (chain -> folder), and prices, the simulated tokens' included."""
    prices, names = priced(devnets, work)
    program = f"import sys, asyncio; sys.path.insert(0, {common.TOOLS!r}); import replay_node; " \
              f"replay_node.Prices.COINS.update({names!r}); asyncio.run(replay_node.main())"
    chains = [word for chain, folder in folders.items() for word in ("--evm", f"{chain}={folder}")]
    return common.Program(["python3", "-c", program, "--port", "0", "--prices", prices, *chains])


def wait_until(condition, what):
    """Waits, ten minutes at most, for something that is bound to happen."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    sys.exit(f"it did not happen: {what}")
