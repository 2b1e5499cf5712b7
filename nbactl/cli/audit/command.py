"""The audit trail: who changed what, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.bootstrap.audit import make_audit

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.core.audit.entry import AuditEntry
    from nbactl.core.audit.trail import AuditFilter, AuditPage


def list_changes(app: Container, request: AuditFilter) -> AuditPage:
    """Return changes, the newest first."""
    return make_audit(app).page(request)


def show_change(app: Container, entry: str) -> AuditEntry:
    """Return a change by the id of its entry, or the `last` one. Raises NotFoundError."""
    return make_audit(app).find(entry)
