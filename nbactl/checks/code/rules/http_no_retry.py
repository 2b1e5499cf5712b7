"""Requests that are tried once."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.kinds import kinds_of
from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import decorators, keyword, receiver

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module, Scope, Site

_NAME: Final = "http-no-retry"
_METHODS: Final = ("get", "head", "put", "delete", "options")
"""Methods that may be repeated (RFC 9110, 9.2.2)."""
_RETRIES: Final = re.compile(r"retry|retries|retrying|retriable|backoff|tenacity|stamina|on_exception", re.IGNORECASE)


def _finish(module: Module) -> None:
    if not module.imports_any("requests", "httpx", "urllib"):
        return
    sites = [site for name in _METHODS for site in module.calls.get(name, ()) if _is_request(module, site)]
    sites += [site for site in module.calls.get("urlopen", ()) if module.dotted(site.call.func).startswith("urllib.")]
    if not sites or any(site.call.args[1:] for site in module.calls.get("mount", ())):
        return  # a session with an adapter: its retries are set where it is made
    if any(
        keyword(site.call, "transport") for name in ("Client", "AsyncClient") for site in module.calls.get(name, ())
    ):
        return  # as above, in httpx
    handed = {module.dotted(argument).rpartition(".")[2] for argument in _handed(module)}
    for site in sites:
        if not _is_retried(module, site, handed):
            module.report(_NAME, site.call, "this request is tried once", site.scope)


def _is_request(module: Module, site: Site) -> bool:
    function = site.call.func
    if not isinstance(function, ast.Attribute) or not site.call.args:
        return False
    if re.fullmatch(rf"(requests|httpx)\.({'|'.join(_METHODS)})", module.dotted(function)):
        return True
    return "http.session" in kinds_of(module, receiver(site.call), site.scope)


def _handed(module: Module) -> list[ast.expr]:
    """Return the arguments of calls whose name says that they retry: `retry_call(load, …)`."""
    return [
        argument
        for name, sites in module.calls.items()
        if _RETRIES.search(name) or name in ("call", "run_with_policy")
        for site in sites
        for argument in site.call.args
    ]


def _is_retried(module: Module, site: Site, handed: set[str]) -> bool:
    if any(_RETRIES.search(name) for name in decorators(site.scope, module)):
        return True
    if site.loop is not None and any(isinstance(node, ast.Try) for node in ast.walk(site.loop)):
        return True
    scopes: list[Scope] = list(site.scope.functions())
    if not isinstance(site.scope.node, (ast.Module, ast.ClassDef)):
        scopes.append(site.scope)
    for scope in scopes:
        name = getattr(scope.node, "name", "")
        if name in handed or _RETRIES.search(name):
            return True
        # Called in a loop that catches: the caller retries.
        for caller in module.calls.get(name, ()) if name else ():
            if caller.loop is not None and any(isinstance(node, ast.Try) for node in ast.walk(caller.loop)):
                return True
    return False


RULE: Final = Rule(
    name=_NAME,
    severity="warning",
    summary="A request that may be repeated is tried once.",
    why=(
        "The sources answer 429 and 503 for some seconds every night. One such answer fails a scraper whose next run is "
        "an hour later. Only methods that may be repeated are reported (RFC 9110, section 9.2.2)."
    ),
    fix="Call it through a call policy of timeouts.yaml, or retry transient failures with backoff and a bounded number of tries.",
    bad=(
        "import requests\ndef load(url):\n    return requests.get(url, timeout=limit)\n",
        "import httpx\nhttpx.get(url, timeout=limit)\n",
        "import requests\nsession = requests.Session()\nsession.get(url, timeout=limit)\n",
        "import urllib.request\nurllib.request.urlopen(url, timeout=limit)\n",
        "import requests\nfor url in urls:\n    requests.get(url, timeout=limit)\n",
    ),
    good=(
        "import requests\nfrom tenacity import retry\n@retry\ndef load(url):\n    return requests.get(url, timeout=limit)\n",
        "import requests\nfor attempt in range(3):\n    try:\n        requests.get(url, timeout=limit)\n        break\n"
        "    except requests.ConnectionError:\n        pause(attempt)\n",
        "import requests\nsession = requests.Session()\nsession.mount('https://', adapter)\nsession.get(url, timeout=limit)\n",
        "import requests\ndef load():\n    return requests.get(url, timeout=limit)\nretry_call(load)\n",
        "import requests\nrequests.post(url, json=body, timeout=limit)\n",
        "settings = {}\nsettings.get('a')\n",
    ),
    finish=_finish,
    in_tests=False,
)
