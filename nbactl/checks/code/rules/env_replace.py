"""Deployments that replace the whole environment of a service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.rule import Edit, Hit, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = "env-replace"
_OPTION: Final = re.compile(r"--set-env-vars(?![\w-])")
_COMMENT: Final = re.compile(r"(^|\s)#")
_SAID: Final = re.compile(r"\s*(-\s+)?(echo|printf|print|log\w*|die|cat)\b")


def _reads(lines: list[str]) -> Iterator[Hit]:
    for number, line in enumerate(lines, 1):
        if "--set-env-vars" not in line or _SAID.match(line):
            continue
        comment = _COMMENT.search(line)
        for found in _OPTION.finditer(line, 0, comment.start() if comment else len(line)):
            # Offsets of an edit are bytes.
            start = len(line[: found.start()].encode())
            edit = Edit(number, start, start + len("--set-env-vars"), "--update-env-vars")
            message = "--set-env-vars removes every variable that is not named here. Use --update-env-vars"
            yield Hit(_NAME, number, found.start() + 1, number, message, "", edit)


RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A deployment replaces the whole environment of a service.",
    why=(
        "--set-env-vars removes every variable that it does not name: flags, limits and addresses that were set by hand or "
        "by another script (https://cloud.google.com/run/docs/configuring/services/environment-variables)."
    ),
    fix="Use --update-env-vars, which merges; --fix writes it. Or use nbactl flags sync and nbactl services env set.",
    bad=(
        "gcloud run deploy api --set-env-vars A=1\n",
        "gcloud run services update api \\\n  --set-env-vars=A=1,B=2\n",
        "args: ['run', 'deploy', 'api', '--set-env-vars', 'A=1']\n",
    ),
    good=(
        "gcloud run deploy api --update-env-vars A=1\n",
        "# gcloud run deploy api --set-env-vars A=1\n",
        'echo "do not use --set-env-vars"\n',
    ),
    reads=_reads,
)
