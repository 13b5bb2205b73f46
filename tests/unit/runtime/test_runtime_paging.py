from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.runtime.errors import PageTokenInvalid
from aidatalabs_services.runtime.paging import page_position, page_token

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
PARTS = TEXTS | st.integers(-(2**63) + 1, 2**63 - 1)


def forged(text: str) -> str:
    """A token as anybody can make one: the checksum is no secret."""
    whole = json.dumps([text, []], ensure_ascii=False).encode()
    packed = hashlib.sha256(whole).hexdigest()[:16] + text
    return base64.urlsafe_b64encode(packed.encode()).rstrip(b"=").decode()


@given(st.lists(PARTS, min_size=1, max_size=3))
def test_a_position_comes_back_as_it_was(position: list[str | int]) -> None:
    assert page_position(page_token(position, {"list": "x"}), {"list": "x"}) == tuple(position)


def test_a_forged_token_of_a_good_position_is_read() -> None:
    assert page_position(forged('["a"]'), {}) == ("a",)


@pytest.mark.parametrize(
    "text",
    [
        *("5", "null", "[]", "{}", '"a"', "[null]", "[true]", "[1.5]", "[[1]]", '["a", {}]', '["\\u0000"]'),
        *('["\\ud800"]', "[9223372036854775808]", "[NaN]", "[1e400]", "[" * 700),
    ],
)
def test_a_forged_token_that_no_database_could_take_is_refused(text: str) -> None:
    with pytest.raises(PageTokenInvalid):
        page_position(forged(text), {})
