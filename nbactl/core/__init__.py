"""What services import: public API, changed only with a deprecation. docs/library.md shows it in use.

Loads no CLI, cloud client, warehouse engine or web framework. Clock, randomness, ids and stores are passed in.

| module | what is in it |
|---|---|
| `service` | `open_service`, `Service`: all of this, composed for one process |
| `documents`, `errors`, `http_status` | writes, queries and errors that a service needs; what an HTTP status means |
| `clock`, `ids`, `gamedate`, `durations` | time, identifiers, game dates |
| `deadline`, `interval` | `deadline_scope`, `remaining`: time limits that travel with the work; pauses with jitter |
| `policy`, `policies`, `policy_settings` | `CallPolicy`, `CallPolicies`: the one way to call a dependency |
| `retry`, `retry_after`, `allowance` | retries, Retry-After, throttles and retry budgets |
| `http_errors` | what goes wrong in calls with httpx2, as errors that policies know |
| `breaker`, `breaker_shared`, `breaker_beat` | `Breaker`, and what processes tell each other of theirs |
| `lease`, `holder` | `Leases` with fencing tokens, who holds them |
| `idempotency.keeper`, `.claim`, `.asgi`, `.push` | `Idempotency`, `current_claim`, `PubSubPush` |
| `cache` | `TtlCache`: what was loaded once is kept for a while |
| `metrics` | Prometheus metrics, alert rules, dashboard |
| `counted_documents` | a document store that tells how much is read and written |
| `outbox`, `expiry` | `Outbox`, and the sweep of what has expired |
| `completions` | completions of prediction batches |
| `alerts` | `Alerts`: told once per window, kept until they are delivered |
| `trace`, `propagation` | context and deadline on their way to another process |
| `context`, `logging`, `events` | what is being worked on, logs, the instrumentation hook |
| `failures` | `Failures`: failures where they end, told to the log and to others |
| `stopping`, `beat`, `daemon` | `GracefulStop`; work in the background |
| `faults` | the dangerous instants, for tests |
"""
