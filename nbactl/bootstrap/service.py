"""The parts of a service of this process; `compose` is the entry point that `nbactl.core.service` looks for."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.bootstrap.application import Application
from nbactl.config.settings import load_settings

if TYPE_CHECKING:
    from nbactl.core.idempotency.asgi import App
    from nbactl.core.idempotency.keeper import Idempotency
    from nbactl.core.service import Timeouts


class ServiceApplication(Application):
    """The application of a service: what every call has, and what only a service needs."""

    name: str

    @property
    def timeouts(self) -> Timeouts:
        """The limits of timeouts.yaml."""
        return self.config.timeouts

    @cached_property
    def idempotency(self) -> Idempotency:
        """What does a message's work once."""
        return self.idempotency_of(self.name)

    def around(self, app: App) -> App:
        """Return `app` with what stands around every service."""
        return app


def compose(name: str) -> ServiceApplication:
    """Return the parts of the service `name`, as the environment and the files of this folder say."""
    application = ServiceApplication(load_settings({}, os.environ, Path()))
    application.name = name
    return application
