"""Calls to Firestore without a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.kinds import kinds_of
from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import is_none, keyword, passes_on, receiver

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module

_NAME: Final = "firestore-no-timeout"
_CALLS: Final = {
    "fs.document": ("get", "set", "update", "delete", "create"),
    "fs.collection": ("get", "stream", "add", "list_documents"),
    "fs.query": ("get", "stream"),
    "fs.batch": ("commit",),
    "fs.client": ("get_all",),
}
_BY_METHOD: Final = {
    method: frozenset(kind for kind, methods in _CALLS.items() if method in methods)
    for methods in _CALLS.values()
    for method in methods
}


_MAKERS: Final = frozenset({"collection", "collection_group", "document", "batch", "get_all"})


def _finish(module: Module) -> None:
    if module.calls.keys().isdisjoint(_MAKERS):
        return  # nothing here comes from Firestore
    for method, kinds in _BY_METHOD.items():
        for site in module.calls.get(method, ()):
            if passes_on(site.call) or not is_none(keyword(site.call, "timeout")):
                continue
            if kinds_of(module, receiver(site.call), site.scope) & kinds:
                module.report(_NAME, site.call, f"{method}() of Firestore has no timeout=", site.scope)


_IMPORT: Final = "from google.cloud import firestore\ndb = firestore.Client()\n"

RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A call to Firestore has no timeout.",
    why=(
        "Without timeout= a call waits as long as the client's own settings say, one to five minutes with its retries. "
        "Firestore answers in milliseconds; a call that hangs holds a request and its lease for all that time."
    ),
    fix="Pass timeout= with the limit of timeouts.yaml (documents.read, documents.write), or use the document store.",
    bad=(
        f"{_IMPORT}db.collection('runs').document('a').get()\n",
        f"{_IMPORT}ref = db.collection('runs').document('a')\nref.set({{'a': 1}})\n",
        f"{_IMPORT}for each in db.collection('runs').where('a', '==', 1).stream():\n    print(each)\n",
        f"{_IMPORT}batch = db.batch()\nbatch.set(ref, value)\nbatch.commit()\n",
        "from firebase_admin import firestore\ndb = firestore.client()\ndb.document('a/b').update(value)\n",
        f"{_IMPORT}def place(key):\n    return db.document(key)\nplace('a/b').delete()\n",
    ),
    good=(
        f"{_IMPORT}db.collection('runs').document('a').get(timeout=limit)\n",
        f"{_IMPORT}ref = db.document('a/b')\nref.set(value, **limits)\n",
        f"{_IMPORT}batch = db.batch()\nbatch.set(ref, value)\nbatch.commit(timeout=limit)\n",
        "settings = {}\nsettings.get('a')\nsettings.update(b=1)\n",
    ),
    finish=_finish,
    in_tests=False,
)
