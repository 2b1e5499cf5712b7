"""Every command and group of the command line, built once for all tests that go through them."""

from __future__ import annotations

from typing import Any, Final

from nbactl.cli.app import build
from nbactl.cli.frame import Group, walk

TREE: Final[dict[str, tuple[Any, Any]]] = {
    context.command_path: (command, context) for command, context in walk(build())
}
"""Path → the command or group, and a context to describe it in."""
LEAVES: Final = {path: command for path, (command, _) in TREE.items() if not isinstance(command, Group)}
"""Path → command."""
