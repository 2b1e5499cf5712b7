"""A region of Cloud Run: its address, the names in it, and Google's own command for them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

_GOOGLE: Final = "https://run.googleapis.com"


@dataclass(frozen=True, slots=True)
class Region:
    """A region of a project. `emulator` is the host:port of a server to be asked instead of Google."""

    project: str
    name: str
    emulator: str | None = None

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://{self.emulator}" if self.emulator else _GOOGLE

    @property
    def parent(self) -> str:
        """The name that the names of all its services begin with."""
        return f"projects/{self.project}/locations/{self.name}"

    @property
    def where(self) -> str:
        """The region in words."""
        return f"Cloud Run of {self.project} in {self.name}{f' (emulator {self.emulator})' if self.emulator else ''}"

    def path(self, service: str) -> str:
        """Return the full name of a service."""
        return f"{self.parent}/services/{service}"

    def gcloud(self, verb: str, service: str, *options: str) -> str:
        """Return the command of Google's own tool for a service."""
        place = ("--region", self.name, "--project", self.project)
        return shlex.join(["gcloud", "run", "services", verb, service, *options, *place])
