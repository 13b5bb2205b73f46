from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.platform.configs import config_text, config_violations, read_config
from aidatalabs_services.platform.members import ALL_USERS, Member, check_change
from aidatalabs_services.platform.platforms import Draft, new_platform_id
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import InvalidRequest

OWNER = "users/00000000-0000-4000-8000-000000000001"
OTHER = "users/00000000-0000-4000-8000-000000000002"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u00e9", max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
configs = st.dictionaries(st.text("abc", max_size=3), values, max_size=4)


@given(configs)
def test_a_config_comes_back_from_its_text_as_it_was(config: dict[str, Any]) -> None:
    assert read_config(config_text(config)) == config


@given(configs, configs)
def test_two_drafts_have_one_fingerprint_only_if_they_are_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert Draft("x", "n", a).fingerprint() == Draft("x", "n", dict(reversed(a.items()))).fingerprint()
    same = config_text(a) == config_text(b)
    assert (Draft("x", "n", a).fingerprint() == Draft("x", "n", b).fingerprint()) == same


@pytest.mark.parametrize(("first", "second"), [(("a", "b"), ("ab", "")), (("", "a"), ("a", ""))])
def test_an_id_and_a_name_cannot_be_moved_into_one_another(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    assert Draft(*first, {}).fingerprint() != Draft(*second, {}).fingerprint()


def deep(levels: int, listed: bool) -> dict[str, Any]:
    value: Any = "leaf"
    for _ in range(levels - 1):
        value = [value] if listed else {"k": value}
    return {"k": value}


@pytest.mark.parametrize("listed", [True, False])
def test_sixteen_levels_are_kept_and_seventeen_refused(listed: bool) -> None:
    assert config_violations(deep(16, listed)) == []
    assert "deeper" in config_violations(deep(17, listed))[0].description
    assert "deeper" in config_violations(deep(5000, listed))[0].description


def test_the_size_counts_bytes_not_characters() -> None:
    fits = 64 * 1024 - len(json.dumps({"k": ""}, separators=(",", ":")))
    assert config_violations({"k": "x" * fits}) == []
    assert config_violations({"k": "x" * (fits + 1)})
    assert config_violations({"k": "\u00e9" * (fits // 2 + 1)})


def test_an_id_of_the_servers_making_follows_the_contract() -> None:
    made = {new_platform_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(name[0] == "p" and name.replace("-", "").isalnum() and len(name) == 14 for name in made)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_the_owner_can_only_be_admin(role: Role) -> None:
    with pytest.raises(InvalidRequest, match="owner stays admin"):
        check_change(OWNER, Member(OWNER, role))
    check_change(OWNER, Member(OWNER, Role.ADMIN))
    check_change(OWNER, Member(OTHER, role))


@pytest.mark.parametrize("role", [Role.EDITOR, Role.ADMIN])
def test_everybody_at_once_can_only_read(role: Role) -> None:
    with pytest.raises(InvalidRequest, match="allUsers"):
        check_change(OWNER, Member(ALL_USERS, role))
    check_change(OWNER, Member(ALL_USERS, Role.VIEWER))


@pytest.mark.parametrize("name", ["users/", "users/1", OTHER.upper(), "users/" + "0" * 36, OTHER + " "])
def test_a_user_is_named_in_one_spelling_only(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_change(OWNER, Member(name, Role.VIEWER))
