"""Thirty questions about the shop, what a model submits for each, and how a provider may behave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.rpc.agent.models_world import KEY
from tests.rpc.agent.providers import Cut, Garbage, Hang, Scripted, Status, StreamError, Turn, call, raw_call


@dataclass(frozen=True)
class Asked:
    """A question, what the model submits, and SQL written by hand that gives the right rows."""

    question: str
    turn: Turn
    sql: str


def _measure(function: str, column: str = "", name: str = "", **more: Any) -> dict[str, Any]:
    made = {
        "function": function,
        "name": name or f"{function}_of_{column.replace('.', '_') or 'orders'}",
        **more,
    }
    return {**made, "column": column} if column else made


def _plan(measures: list[dict[str, Any]], table: str = "orders", **more: Any) -> Turn:
    return call("submit_plan", table=table, measures=measures, **more)


def _sql(text: str) -> Turn:
    return call("submit_sql", sql=text, reading=["As the SQL says."])


_COUNT = _measure("count", name="order_count")
_PAID = {"column": "orders.status", "operator": "eq", "values": ["paid"]}
_BY_STATUS = {"column": "orders.status", "name": "status"}
_BY_CITY = {"column": "customers.city", "name": "customer_city"}
_AMOUNT = _measure("sum", "orders.amount", "total_amount")
_JANUARY = {"column": "orders.ordered_at", "start": "2026-01-01", "end": "2026-02-01"}
_MONTH = {"column": "orders.ordered_at", "name": "month_start", "grain": "month"}
_MEAN = {"table": "orders", "measures": [_measure("avg", "orders.amount", "mean")]}
_BUYERS = {"table": "orders", "dimensions": [{"column": "orders.customer_id", "name": "customer_id"}]}
_LARGE = {**_BUYERS, "filters": [{"column": "orders.amount", "operator": "gt", "query": _MEAN}]}


def _in(month: int) -> dict[str, Any]:
    window = {"start": f"2026-0{month}-01", "end": f"2026-0{month + 1}-01"}
    windows = [{"column": "orders.ordered_at", **window}]
    return _measure("sum", "orders.amount", f"amount_{month}", windows=windows)


_JOINED = "orders INNER JOIN customers ON orders.customer_id = customers.id"

QUESTIONS = [
    Asked("How many orders were there?", _plan([_COUNT]), "SELECT count() FROM orders"),
    Asked(
        "How many customers are there?",
        _plan([_measure("count", name="customer_count")], "customers"),
        "SELECT count() FROM customers",
    ),
    Asked("total amount of orders", _plan([_AMOUNT]), "SELECT sum(amount) FROM orders"),
    Asked(
        "average amount of orders",
        _plan([_measure("avg", "orders.amount", "mean")]),
        "SELECT avg(amount) FROM orders",
    ),
    Asked(
        "largest amount of an order",
        _plan([_measure("max", "orders.amount", "largest")]),
        "SELECT max(amount) FROM orders",
    ),
    Asked(
        "smallest amount of an order",
        _plan([_measure("min", "orders.amount", "smallest")]),
        "SELECT min(amount) FROM orders",
    ),
    Asked(
        "median amount of orders",
        _plan([_measure("median", "orders.amount", "middle")]),
        "SELECT quantileExactInclusive(0.5)(amount) FROM orders",
    ),
    Asked(
        "number of orders by status",
        _plan([_COUNT], dimensions=[_BY_STATUS]),
        "SELECT status, count() AS c FROM orders GROUP BY status ORDER BY c DESC, status",
    ),
    Asked(
        "total amount by status",
        _plan([_AMOUNT], dimensions=[_BY_STATUS]),
        "SELECT status, sum(amount) AS a FROM orders GROUP BY status ORDER BY a DESC, status",
    ),
    Asked(
        "number of paid orders",
        _plan([_COUNT], filters=[_PAID]),
        "SELECT count() FROM orders WHERE status = 'paid'",
    ),
    Asked(
        "total amount of paid orders",
        _plan([_AMOUNT], filters=[_PAID]),
        "SELECT sum(amount) FROM orders WHERE status = 'paid'",
    ),
    Asked(
        "number of orders in January 2026",
        _plan([_COUNT], windows=[_JANUARY]),
        "SELECT count() FROM orders WHERE toMonth(ordered_at) = 1",
    ),
    Asked(
        "total amount in January 2026",
        _plan([_AMOUNT], windows=[_JANUARY]),
        "SELECT sum(amount) FROM orders WHERE toMonth(ordered_at) = 1",
    ),
    Asked(
        "number of orders per month",
        _plan([_COUNT], dimensions=[_MONTH]),
        "SELECT toStartOfMonth(ordered_at) AS m, count() FROM orders GROUP BY m ORDER BY m",
    ),
    Asked(
        "total amount per month",
        _plan([_AMOUNT], dimensions=[_MONTH]),
        "SELECT toStartOfMonth(ordered_at) AS m, sum(amount) FROM orders GROUP BY m ORDER BY m",
    ),
    Asked(
        "number of orders with an amount over 100",
        _plan([_COUNT], filters=[{"column": "orders.amount", "operator": "gt", "values": [100]}]),
        "SELECT count() FROM orders WHERE amount > 100",
    ),
    Asked(
        "number of orders that are open or paid",
        _plan([_COUNT], filters=[{"column": "orders.status", "operator": "in", "values": ["open", "paid"]}]),
        "SELECT count() FROM orders WHERE status IN ('open', 'paid')",
    ),
    Asked(
        "share of orders by status",
        _plan([_measure("share", name="part")], dimensions=[_BY_STATUS]),
        "SELECT status, 100 * count() / 24 AS p FROM orders GROUP BY status ORDER BY p DESC, status",
    ),
    Asked(
        "what percentage of orders is paid?",
        _plan([_measure("percent", name="part", conditions=[_PAID])]),
        "SELECT 100 * countIf(status = 'paid') / count() FROM orders",
    ),
    Asked(
        "number of orders by city of the customer",
        _plan([_COUNT], dimensions=[_BY_CITY]),
        f"SELECT city, count() AS c FROM {_JOINED} GROUP BY city ORDER BY c DESC, city",
    ),
    Asked(
        "total amount by city",
        _plan([_AMOUNT], dimensions=[_BY_CITY]),
        f"SELECT city, sum(amount) AS a FROM {_JOINED} GROUP BY city ORDER BY a DESC, city",
    ),
    Asked(
        "number of orders of vip customers",
        _plan([_COUNT], filters=[{"column": "customers.vip", "operator": "is_true"}]),
        f"SELECT count() FROM {_JOINED} WHERE vip",
    ),
    Asked(
        "number of customers in Graz",
        _plan(
            [_measure("count", name="customer_count")],
            "customers",
            filters=[{"column": "customers.city", "operator": "eq", "values": ["Graz"]}],
        ),
        "SELECT count() FROM customers WHERE city = 'Graz'",
    ),
    Asked(
        "number of different customers with orders",
        _plan([_measure("count_distinct", "orders.customer_id", "buyers")]),
        "SELECT uniqExact(customer_id) FROM orders",
    ),
    Asked(
        "which status has the highest total amount?",
        _plan(
            [_AMOUNT], dimensions=[_BY_STATUS], limit=1, order=[{"by": "total_amount", "descending": True}]
        ),
        "SELECT status, sum(amount) AS a FROM orders GROUP BY status ORDER BY a DESC, status LIMIT 1",
    ),
    Asked(
        "which customers have orders above the average amount?",
        call(
            "submit_plan",
            table="customers",
            dimensions=[{"column": "customers.name", "name": "name"}],
            filters=[{"column": "customers.id", "operator": "in_query", "query": _LARGE}],
            order=[{"by": "name"}],
        ),
        "SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE amount > "
        "(SELECT avg(amount) FROM orders)) ORDER BY name",
    ),
    Asked(
        "running total of the amount by day",
        _plan(
            [_AMOUNT],
            dimensions=[{"column": "orders.ordered_at", "name": "day_start", "grain": "day"}],
            post=[{"function": "cumulate", "measure": "total_amount", "name": "running"}],
        ),
        "SELECT d, a, sum(a) OVER (ORDER BY d) FROM (SELECT toDate(ordered_at) AS d, sum(amount) "
        "AS a FROM orders GROUP BY d) ORDER BY d",
    ),
    Asked(
        "customers without an order",
        call(
            "submit_plan",
            table="customers",
            dimensions=[{"column": "customers.name", "name": "name"}],
            filters=[{"column": "customers.id", "operator": "not_in_query", "query": _BUYERS}],
            order=[{"by": "name"}],
        ),
        "SELECT name FROM customers WHERE id NOT IN (SELECT customer_id FROM orders) ORDER BY name",
    ),
    Asked(
        "how did the amount grow from January to February 2026?",
        _plan([{"function": "difference", "name": "grown", "parts": [_in(2), _in(1)]}]),
        "SELECT sum(if(toMonth(ordered_at) = 2, amount, -amount)) FROM orders",
    ),
    Asked(
        "second largest order amount",
        _sql("SELECT amount FROM orders ORDER BY amount DESC LIMIT 1 OFFSET 1"),
        "SELECT max(amount) FROM orders WHERE amount < (SELECT max(amount) FROM orders)",
    ),
]
"""About the shop of `models_world`."""

_LOOK = call("find_values", column="orders.status", letters="a")
_BAD_SQL = _sql("SELECT sum(weight) FROM orders")
_STOLEN = _sql("SELECT * FROM theirs.salaries")


@dataclass(frozen=True)
class Way:
    """How a provider behaves: acts before the right reply, or instead of it with `never`.

    `place` is the agent that it needs: one as ever, one whose budget is spent, one that was failed before.
    """

    name: str
    acts: tuple[Scripted, ...] = ()
    never: bool = False
    place: str = "open"


WAYS = [
    Way("answers"),
    Way("looks around first", (_LOOK, call("describe_tables", tables=["orders"]))),
    Way("is mended: wrong column", (_BAD_SQL,)),
    Way("is mended: broken plan", (call("submit_plan", table="orders", measures=[{"function": "nope"}]),)),
    Way("is mended: other database", (_STOLEN,)),
    Way("is mended: garbled arguments", (raw_call("submit_sql", '{"sql": "SELECT'),)),
    Way("talks first", (Turn(text="Let me think."),)),
    Way("429, then answers", (Status(429, {"retry-after": "0"}),)),
    Way("500, then answers", (Status(500),)),
    Way("cut, then answers", (Cut(Turn(text="The answer is near")),)),
    Way("a stream that ends early", (Cut(Turn(text="The answer is near"), polite=True),)),
    Way("gives up in the stream", (StreamError(),)),
    Way("is mended: unknown tool", (call("drop_table", table="orders"),)),
    Way("garbage", (Garbage(),), never=True),
    Way("500 for ever", (Status(500),), never=True),
    Way("429 for an hour", (Status(429, {"retry-after": "3600"}),), never=True),
    Way("wrong key", (Status(401),), never=True),
    Way("unknown model", (Status(404),), never=True),
    Way("silent until the time is over", (Hang(),), never=True),
    Way("declines", (Turn(text=f"No. {KEY}", stop="refusal"),), never=True),
    Way("loops", (_LOOK,), never=True),
    Way("obeys planted text", (_STOLEN,), never=True),
    Way("only unknown tools", (call("run_shell", command="cat /etc/passwd"),), never=True),
    Way("talks and calls nothing", (Turn(text="As you wish."),), never=True),
    Way("over budget", never=True, place="spent"),
    Way("left alone after failures", never=True, place="failed"),
]
"""What users meet; the last act of one that never gets there is repeated."""
