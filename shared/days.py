"""Which day a run is about.

In one place, so that "yesterday" means the same in every flow and a run can be repeated for a given date.
"""

from __future__ import annotations

from datetime import date, timedelta


def resolve_day(text: str, *, today: date, latest: date) -> date:
    """The date that `text` names: `today`, `yesterday`, `latest` (the last day with data) or YYYY-MM-DD.

    Raises ValueError for anything else, with the accepted forms in its message.
    """
    words = {"today": today, "yesterday": today - timedelta(days=1), "latest": latest}
    if text in words:
        return words[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"day is {text!r}; use one of {', '.join(words)} or a date as YYYY-MM-DD") from None
