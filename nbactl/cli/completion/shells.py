"""Shell completion: the scripts, and the answers they ask for.

A script calls `nbactl` with the words up to the cursor and `_NBACTL_COMPLETE` naming the shell; the last word is the
one being completed. Every candidate is one line on stdout. A line of PATHS says that files and folders are meant as
well; without it a shell offers none, because a name is meant.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from nbactl.cli.app import build
from nbactl.cli.frame import candidates
from nbactl.cli.session import prescan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.session import Session

PATHS: Final = ":paths:"

SCRIPTS: Final = {
    "bash": """\
_nbactl() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        if [[ $candidate == ":paths:" ]]; then
            compopt -o default 2>/dev/null
        else
            COMPREPLY+=("$candidate")
        fi
    done < <(_NBACTL_COMPLETE=bash "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o nosort -F _nbactl nbactl 2>/dev/null || complete -F _nbactl nbactl
""",
    "zsh": """\
#compdef nbactl
_nbactl() {
    local -a candidates
    candidates=("${(@f)$(_NBACTL_COMPLETE=zsh "${words[1]}" "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
    if (( ${candidates[(Ie):paths:]} )); then
        candidates=("${(@)candidates:#:paths:}")
        _files
    fi
    if [[ -n "$candidates" ]]; then
        _describe -V nbactl candidates
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _nbactl "$@"
else
    compdef _nbactl nbactl
fi
""",
    "fish": """\
function __nbactl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates (env _NBACTL_COMPLETE=fish $words[1] $words[2..-1] "$current" 2>/dev/null)
    if set -l place (contains -i -- ":paths:" $candidates)
        set -e candidates[$place]
        __fish_complete_path "$current"
    end
    if test (count $candidates) -gt 0
        printf '%s\\n' $candidates
    end
end
complete --command nbactl --no-files --arguments '(__nbactl_complete)'
""",
}

INSTALL: Final = {
    "bash": "Add this line to ~/.bashrc: source <(nbactl completion bash)",
    "zsh": "Add this line to ~/.zshrc, after compinit: source <(nbactl completion zsh)",
    "fish": "Run: nbactl completion fish > ~/.config/fish/completions/nbactl.fish",
}


def answer(session: Session, shell: str, words: Sequence[str]) -> int:
    """Write the candidates for the last of `words`; returns the exit code."""
    joined = _join_at_equals(words) if shell == "bash" else list(words)
    *before, current = joined or [""]
    session.flags.update(prescan(before))
    option, equals, _ = current.partition("=")
    prefix = f"{option}=" if equals and option.startswith("--") and shell != "bash" else ""
    found = candidates(build(), session, before, current)
    for value, text in found.values:
        sys.stdout.write(_line(shell, prefix + value, text) + "\n")
    if found.or_path:
        sys.stdout.write(f"{PATHS}\n")
    return 0


def _join_at_equals(words: Sequence[str]) -> list[str]:
    """Undo that bash splits `--output=json` into three words."""
    joined: list[str] = []
    for word in words:
        if word == "=" and joined and joined[-1].startswith("--"):
            joined[-1] += "="
        elif joined and joined[-1].startswith("--") and joined[-1].endswith("="):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _line(shell: str, value: str, text: str) -> str:
    text = " ".join(text.split())
    if shell == "fish" and text:
        return f"{value}\t{text}"
    if shell == "zsh":
        value = value.replace("\\", "\\\\").replace(":", "\\:")
        return f"{value}:{text}" if text else value
    return value
