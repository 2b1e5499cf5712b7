"""Prometheus metrics of a process: what is counted is declared in one table, and fed by the instrumentation hook.

`Metrics` in registry.py is the way in, `metrics_app` in asgi.py serves it. prometheus_client is loaded by the first
`Metrics` that is made, not by importing this package. Beside the table lie the alert rules and the dashboard that use
its names.
"""

from nbactl.core.observe.metrics.definitions import METRICS, Label, Metric
from nbactl.core.observe.metrics.registry import Metrics, metrics_app

__all__ = ["METRICS", "Label", "Metric", "Metrics", "metrics_app"]
