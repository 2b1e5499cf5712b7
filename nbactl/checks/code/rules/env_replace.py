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
_SAID: Final = re.compile(
    r"\s*(?:-\s+)?(?:run:\s+)?@?(?:(?:then|else|do|if|!|\{)\s+)*"
    r"(?:echo|printf|print\w*|log\w*|say|info|warn\w*|err\w*|note|die|fail|cat|grep)\b"
)
_PART: Final = re.compile(r"""\\.|'[^']*'?|"(?:\\.|[^"\\])*"?|[;&|]+""")
"""What is escaped or quoted, to its end or to that of the text, and what stands between two commands."""
_PARSED: Final = re.compile(r"\s*(?:-[\w-]+\s*\|\s*)*--set-env-vars(?:\s*\|\s*-[\w-]+)*\s*\)")
"""A branch of `case`, where a script reads options of its own."""
_SHOWN: Final = re.compile(r"^\s*cat\s+<<-?\s*['\"\\]?(\w+)['\"]?\s*(?:>&2\s*)?$")
"""A text that a script shows, up to the word of the group."""
_OTHER: Final = re.compile(r"\bcontainerapp\b|\bjobs['\",\s-]+create\b")
"""Commands whose option removes nothing: that of Azure merges
(https://learn.microsoft.com/cli/azure/containerapp#az-containerapp-update), and a new job has no environment yet."""
_FARTHEST: Final = 60
"""Lines of one command that are looked back at."""


def _reads(lines: list[str]) -> Iterator[Hit]:
    shown: str | None = None
    text: str | None = None
    for number, line in enumerate(lines, 1):
        if shown is not None:
            shown = None if line.strip() == shown else shown
            continue
        if (opens := _SHOWN.match(line)) is not None:
            shown = opens[1]
        if "--set-env-vars" not in line or _PARSED.match(line):
            continue
        before = _command(lines, number)
        if text is None:
            text = "\n".join(lines)
        comment = _COMMENT.search(line)
        for found in _OPTION.finditer(line, 0, comment.start() if comment else len(line)):
            command = before + line[: found.start()]
            if _SAID.match(_last(command)) or _OTHER.search(command):
                continue
            if "gcloud" not in command and "containerapp" in text:
                continue  # options that are put together first, for either of two clouds
            # Offsets of an edit are bytes.
            start = len(line[: found.start()].encode())
            edit = Edit(number, start, start + len("--set-env-vars"), "--update-env-vars")
            message = "--set-env-vars removes every variable that is not named here. Use --update-env-vars"
            yield Hit(_NAME, number, found.start() + 1, number, message, "", edit)


def _last(text: str) -> str:
    """Return the last of the commands of a text."""
    ends = [part.end() for part in _PART.finditer(text) if part[0][0] in ";&|"]
    return text[ends[-1] :] if ends else text


def _command(lines: list[str], number: int) -> str:
    """Return the lines of the same command before a line: continued ones, and items of the same list."""
    first = number - 1
    while first > 0 and number - first < _FARTHEST:
        above, here = lines[first - 1].rstrip(), lines[first].lstrip()
        if not above.endswith("\\") and not (here.startswith("- ") and above.lstrip().startswith("- ")):
            break
        first -= 1
    return " ".join(line.rstrip().rstrip("\\") for line in lines[first : number - 1]) + " "


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
        "args:\n  - jobs\n  - update\n  - nightly\n  - --set-env-vars\n  - A=1\n",
        'args+=(--set-env-vars "$pairs")\ngcloud "${args[@]}"\n',
        'echo "deploying"\ngcloud run deploy api --set-env-vars A=1\n',
        'echo "deploying; a|b" && gcloud run deploy api --set-env-vars A=1\n',
    ),
    good=(
        "gcloud run deploy api --update-env-vars A=1\n",
        "# gcloud run deploy api --set-env-vars A=1\n",
        'echo "do not use --set-env-vars"\n',
        'echo "gcloud run deploy api \\\n  --set-env-vars A=1"\n',
        'test -n "$1" || print_error "pass --set-env-vars"\n',
        '- run: echo "a; gcloud run deploy api --set-env-vars A=1"\n',
        "cat <<EOF\ngcloud run deploy api --set-env-vars A=1\nEOF\n",
        'case "$1" in\n  --set-env-vars) pairs="$2" ;;\nesac\n',
        "az containerapp update -n api \\\n  --set-env-vars A=1\n",
        'args=(--set-env-vars "${pairs[@]}")\naz containerapp update -n api "${args[@]}"\n',
        "gcloud run jobs create nightly \\\n  --set-env-vars A=1\n",
        "args:\n  - jobs\n  - create\n  - nightly\n  - --set-env-vars\n  - A=1\n",
    ),
    reads=_reads,
)
