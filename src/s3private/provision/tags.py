"""The tags that an organisation demands on whatever is made: held against AWS's rules before anything is asked for.

They are given to each call that makes something, and no more: who changes or removes one later is not fought.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Tag.html
"""

from __future__ import annotations

import unicodedata
from typing import Any

_MOST = 46
"""AWS takes 50 on one thing: Name and up to three of this path's own are among them."""
_KEY, _VALUE = 128, 256
_SIGNS = "_.:/=+-@"


def checked_tags(value: Any) -> tuple[tuple[str, str], ...]:
    """Key and value of each, in the file's order. Raises ValueError with the rule in words."""
    if not isinstance(value, dict) or not 1 <= len(value) <= _MOST:
        raise ValueError(f'must be a table of 1 to {_MOST} tags, such as {{ cost-center = "1234" }}')
    for key, text in value.items():
        if not isinstance(text, str):
            raise ValueError(f"{key}: must be a text in quotes (a key with a '.' in it is quoted too)")
        _check(key, f"the key {key!r}", 1, _KEY)
        _check(text, f"the value of {key}", 0, _VALUE)
        if key == "Name" or key.lower().startswith(("aws:", "s3private:")):
            raise ValueError(
                f"{key} is not yours to give: AWS's own begin with aws:, this path's are Name and s3private:…"
            )
    return tuple(value.items())


def _check(text: str, what: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        raise ValueError(f"{what} must have {least} to {most} characters")
    if text != text.strip() or not all(one in _SIGNS or _is_plain(one) for one in text):
        raise ValueError(f"{what} may hold letters, digits, spaces within, and {' '.join(_SIGNS)}")


def _is_plain(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Zs"
