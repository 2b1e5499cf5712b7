"""The audit trail, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.bootstrap.container import Container
    from nbactl.core.audit.trail import AuditTrail

_SECONDS: Final = 3.0
"""How long a write may take while timeouts.yaml cannot be read."""


def make_audit(app: Container) -> AuditTrail:
    """Return what keeps and lists changes. Nothing is opened before there is one."""
    from nbactl.core.audit.trail import AuditTrail

    return AuditTrail(
        lambda: app.documents,
        app.settings.state_dir / "audit",
        app.clock,
        app.ids,
        patience=lambda: _patience(app),
        notice=app.notice,
    )


def _patience(app: Container) -> float:
    from nbactl.errors import ConfigError

    try:
        return app.config.timeouts["audit.write"]
    except ConfigError:
        return _SECONDS
