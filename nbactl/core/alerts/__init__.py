"""Alerts: told once per window and condition, kept until they are delivered."""

from nbactl.core.alerts.alerts import Alerts
from nbactl.core.alerts.channels import AlertBus, InstrumentedChannel, LogChannel, RoutedBus, TextChannel, channel_of
from nbactl.ports.alerts import Alert, AlertChannel

__all__ = [
    "Alert",
    "AlertBus",
    "AlertChannel",
    "Alerts",
    "InstrumentedChannel",
    "LogChannel",
    "RoutedBus",
    "TextChannel",
    "channel_of",
]
