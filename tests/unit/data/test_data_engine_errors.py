"""What the engine's numbers become where a table is changed."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from aidatalabs_services.data.adapters.clickhouse_errors import ddl_errors
from aidatalabs_services.data.errors import TableInvalid
from aidatalabs_services.runtime.errors import Overloaded


class _Failure(DatabaseError):
    """As the driver raises it."""

    def __init__(self, code: int) -> None:
        super().__init__("words of the engine")
        self.code = code


@pytest.mark.parametrize("code", [159, 160, 202, 241, 252])
def test_a_change_that_met_a_busy_engine_is_to_be_tried_again(code: int) -> None:
    with pytest.raises(Overloaded) as refused, ddl_errors("visits"):
        raise _Failure(code)
    assert refused.value.retry_after_seconds


def test_a_change_that_the_engine_refuses_says_that_the_table_is_wrong() -> None:
    with pytest.raises(TableInvalid) as refused, ddl_errors("visits"):
        raise _Failure(36)
    assert refused.value.metadata["engine_code"] == "36"
