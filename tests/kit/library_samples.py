"""The examples of docs/library.md as modules of their own, so that they are checked with all types.

`python -m tests.kit.library_samples` writes them anew; a test holds that they are those of the page.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "library.md"
FOLDER = ROOT / "tests" / "samples"


def samples() -> dict[str, str]:
    """Return the examples by file name: the heading they stand under."""
    found: dict[str, str] = {}
    page = PAGE.read_text(encoding="utf-8")
    for heading, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        name = re.sub(r"\W+", "_", heading.lower()).strip("_")
        examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        for number, example in enumerate(examples, start=1):
            found[f"{name}_{number}.py" if len(examples) > 1 else f"{name}.py"] = example
    return found


def write() -> None:
    """Write all samples, and remove what is no example any more."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.py"):
        old.unlink()
    for name, example in samples().items():
        (FOLDER / name).write_text(text_of(example), encoding="utf-8")


def text_of(example: str) -> str:
    """Return the text of the module that has an example."""
    return f'"""docs/library.md"""\n\n{example}'


if __name__ == "__main__":
    write()
