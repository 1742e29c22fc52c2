"""The peers that fetch pages live here: `python -m benchmarks.bulk.peers.NAME ORIGIN WIDE` tells how many rows came."""

PEERS = ("headrace", "dlt", "scrapy", "singer_sdk", "airbyte_cdk")
#: Those that run in an environment of their own.
ENVIRONMENTS = PEERS[1:]
