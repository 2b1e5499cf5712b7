"""An alert as blocks of a Slack message, within Slack's limits (docs.slack.dev: Block Kit, "Blocks")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nbactl.ports.alerts import Alert

_MARKS: Final = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}
_COLOURS: Final = {"info": "#439fe0", "warning": "#daa038", "critical": "#a30200"}
_HEADER, _TEXT, _FIELD, _FIELDS = 150, 3000, 2000, 10


def message_of(alert: Alert) -> dict[str, Any]:
    """Return the body of the webhook's request; `text` is what a notification shows."""
    title = f"{_MARKS[alert.severity]} {alert.title}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, _HEADER), "emoji": True}}
    ]
    if alert.text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _cut(_escaped(alert.text), _TEXT)}})
    pairs = [
        {"type": "mrkdwn", "text": _cut(f"*{_escaped(name)}*\n{_escaped(value)}", _FIELD)}
        for name, value in alert.fields.items()
    ]
    blocks += [{"type": "section", "fields": pairs[at : at + _FIELDS]} for at in range(0, len(pairs), _FIELDS)][:10]
    if alert.next_step:
        blocks.append({"type": "section", "text": _mrkdwn(f"*Next:* {_escaped(alert.next_step)}")})
    blocks.append({"type": "context", "elements": [_mrkdwn(f"{alert.severity} · {_escaped(alert.key)}")]})
    attachment = {"color": _COLOURS[alert.severity], "blocks": blocks}
    return {"text": _cut(_escaped(title), _TEXT), "attachments": [attachment]}


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": _cut(text, _TEXT)}


def _escaped(text: str) -> str:
    """Escape the three characters that Slack reads as its own, so that no name becomes a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
