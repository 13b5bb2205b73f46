"""Thirty questions through the scripted claude, gpt4 and glm5, with every failure: none is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.questions.model_table import everything, page


@pytest.mark.soak
async def test_what_users_saw_of_thirty_questions_to_three_models(tmp_path: Path) -> None:
    seen = await everything(tmp_path)
    assert [one for one in seen if not one.right] == []
    assert all((one.by == one.model) is not one.way.never for one in seen)
    assert all(one.problem for one in seen if one.way.never)
    assert "30 model |" in page(seen)
