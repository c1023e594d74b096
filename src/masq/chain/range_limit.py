"""What providers say when a query for logs spans too many blocks (accounting.md 4.6)."""

from __future__ import annotations

import re
from typing import Final

# "limited to 100 requests per second" is no limit of blocks.
_NUMBER: Final = r"(?P<limit>[0-9][0-9,_]*)(?P<thousands>k)?\b(?! *(?:requests?|calls?|results?|logs?|per|/)\b)"

# Each was seen at some public provider. Their number counts blocks.
_LIMITS: Final = tuple(
    re.compile(phrase + _NUMBER, re.IGNORECASE)
    for phrase in (
        r"\bmax: ",
        r"\ballowed for your plan: ",
        r"\bis limited to (?:a |0 ?- ?)?",
        r"\bblock range limit \(",
        r"\bexceeds max block range ",
        r"\bmaximum allowed is ",
        r"\bmaximum block range:? ",
        r"\bup to an? ",
        r"\brange (?:should|must) be (?:less|smaller) than ",
    )
)
_SUGGESTED: Final = re.compile(
    r"should work: \[0x(?P<first>[0-9a-f]{1,16}), ?0x(?P<last>[0-9a-f]{1,16})\]", re.IGNORECASE
)
_NUMBERLESS: Final = re.compile(
    r"range (?:is )?too (?:wide|large|big)|too many blocks|returned more than|(?:response|result) size"
    r"|block range (?:limit|exceed)|exceed\w* (?:the )?(?:max\w* )?(?:block )?range",
    re.IGNORECASE,
)
_EXPECTED_BATCH: Final = "got invalid response: expected batch, got single."
_EXPECTED_BATCH_LIMIT: Final = 1000
_MAX_TEXT: Final = 4096


def range_limit(text: str, asked: int) -> int | None:
    """How many blocks to ask for next time, after `asked` blocks were refused with `text`.

    Always from 1 to `asked` - 1: a number in the text that is none of those gives way to half of `asked`. None if
    the text isn't about the range, or if `asked` is 1 already.
    """
    text = text[:_MAX_TEXT]
    said = _said(text)
    if said is None and not _NUMBERLESS.search(text):
        return None
    if said is not None and 1 <= said < asked:
        return said
    return asked // 2 or None


def _said(text: str) -> int | None:
    if text.strip().lower() == _EXPECTED_BATCH:
        return _EXPECTED_BATCH_LIMIT
    for phrase in _LIMITS:
        if found := phrase.search(text):
            digits = re.sub("[,_]", "", found["limit"])[:18]
            return int(digits) * (1000 if found["thousands"] else 1)
    if found := _SUGGESTED.search(text):
        return int(found["last"], 16) - int(found["first"], 16) + 1
    return None
