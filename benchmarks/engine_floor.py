"""The floor of the engine: asyncio, one SQLite row in and one update a task, each committed, WAL, synchronous FULL."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

from benchmarks.engine_shapes import SHAPES, Shape


async def execute(shape: Shape, path: Path) -> None:
    """Run the graph with nothing but what cannot be left out."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE task (name TEXT PRIMARY KEY, status TEXT)")
    done = {name: asyncio.Event() for name in shape}

    async def task(name: str) -> None:
        needs, seconds = shape[name]
        for need in needs:
            await done[need].wait()
        db.execute("INSERT INTO task VALUES (?, 'running')", (name,))
        if seconds:
            await asyncio.sleep(seconds)
        db.execute("UPDATE task SET status = 'succeeded' WHERE name = ?", (name,))
        done[name].set()

    await asyncio.gather(*(task(name) for name in shape))
    db.close()


if __name__ == "__main__":
    asyncio.run(execute(SHAPES[sys.argv[1]](), Path(sys.argv[2])))
