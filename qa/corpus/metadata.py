"""What a format says of a text comes in, in its own words; date, publisher and author go out."""

from __future__ import annotations

import re
from datetime import date
from email.utils import parsedate

_WRITTEN = re.compile(
    r"(?<!\d)(\d{4})\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})(?!\d)"
    r"|(?<!\d)((?:19|20)\d\d)(\d\d)(\d\d)(?:\d{6})?(?!\d)",
)


def iso_date(text: str) -> str:
    """Write the first date in ``text`` as YYYY-MM-DD; "" where there is none.

    >>> [iso_date(text) for text in ("2023年8月2日 10:30", "Wed, 02 Aug 2023 08:00:00 GMT", "昨天")]
    ['2023-08-02', '2023-08-02', '']
    """
    for match in _WRITTEN.finditer(text):
        year, month, day = (int(part) for part in match.groups() if part)
        if written := _calendar(year, month, day):
            return written
    mail = parsedate(text)
    return _calendar(*mail[:3]) if mail else ""


def _calendar(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def describe(*, date: str = "", publisher: str = "", author: str = "") -> dict[str, str]:
    """Metadata of a document: blanks left out, the date as YYYY-MM-DD where it can be read."""
    found = {"date": iso_date(date) or date, "publisher": publisher, "author": author}
    tidy = {name: " ".join(value.split()) for name, value in found.items()}
    return {name: value for name, value in tidy.items() if value}
