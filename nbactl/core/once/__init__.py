"""Idempotency: work is done once per key, whoever delivers it how often (invariants 5, 6).

Claim → work → done. `Idempotency` in keeper.py is the way in; asgi.py puts it in front of a Pub/Sub push endpoint.
"""
