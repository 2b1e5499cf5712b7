"""Idempotency: work is done once per key, however often it is delivered (invariants 5, 6).

Claim → work → done. Start at `Idempotency` in idempotency.py; service/push.py uses it for a Pub/Sub push endpoint.
"""
