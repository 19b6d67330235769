"""Two of three requests of contract.py ask about jobs, wallets and disposals that are there; what only reads goes to PNL_READS."""
import os
import random

import requests
import schemathesis

KNOWN = {name: os.environ.get(variable, "").split(",") for name, variable in
         [("job_id", "PNL_JOBS"), ("wallet", "PNL_WALLETS"), ("id", "PNL_DISPOSALS"), ("from", "PNL_JOBS"), ("to", "PNL_JOBS")]}
WRITES, READS = os.environ.get("PNL_WRITES", ""), os.environ.get("PNL_READS", "")


def known(parameters):
    if parameters is None or random.random() < 1 / 3:
        return parameters
    return {name: random.choice(KNOWN[name]) if KNOWN.get(name, [""])[0] else value for name, value in parameters.items()}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return known(path_parameters)


@schemathesis.hook
def map_query(context, query):
    query = known(query)
    if query and "chain" in query and random.random() < 2 / 3:
        query["chain"] = "solana"
    return query


send = requests.Session.send


def send_to_one_of_both(session, request, **options):
    if request.method in ("GET", "HEAD") and request.url.startswith(WRITES):
        request.url = READS + request.url[len(WRITES):]
    return send(session, request, **options)


if READS != WRITES:
    requests.Session.send = send_to_one_of_both
