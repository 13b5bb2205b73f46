"""What a statement of the reader may be made of: the engine's own parse, node by node, against lists.

The data service's SQL door reads a query with a parser of its own and writes it anew. This is the second
reading of the same text, by the parser that runs it: what the two understand differently is refused here.
`EXPLAIN AST` prints a node a line, indented by its depth, and runs nothing.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from aidatalabs_services.data import functions
from aidatalabs_services.data.engine.faults import ACCESS_DENIED, EngineFault
from aidatalabs_services.data.engine.statements import Kind, Statement, tokens

_REMEMBERED = 1024
_FIRST_WORDS = frozenset((b"SELECT", b"WITH", b"(", b"EXPLAIN", b"DESCRIBE"))
_NODE_KINDS = """SelectWithUnionQuery SelectIntersectExceptQuery SelectQuery ExpressionList
Identifier Function Literal TablesInSelectQuery TablesInSelectQueryElement TableExpression TableIdentifier
TableJoin ArrayJoin Subquery WithElement Asterisk QualifiedAsterisk ColumnsRegexpMatcher ColumnsListMatcher
QualifiedColumnsRegexpMatcher QualifiedColumnsListMatcher ColumnsTransformerList ColumnsExceptTransformer
ColumnsReplaceTransformer ColumnsReplaceTransformer::Replacement OrderByElement WindowDefinition
WindowListElement InterpolateElement DataType DescribeQuery Explain"""
_NODES = frozenset(_NODE_KINDS.split())
# What the parser makes of operators and of special forms; the rest are the functions of the door.
_OPERATOR_NAMES = """and or not xor plus minus multiply divide modulo negate equals notEquals less greater
lessOrEquals greaterOrEquals isNotDistinctFrom isDistinctFrom like notLike ilike notILike match in
notIn globalIn globalNotIn concat if multiIf caseWithExpression lambda tuple array map tupleElement
arrayElement CAST exists isNull isNotNull intDiv arrayJoin notEmpty grouping toIntervalNanosecond
toIntervalMicrosecond
toIntervalMillisecond toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek
toIntervalMonth toIntervalQuarter toIntervalYear"""
_OPERATORS = frozenset(_OPERATOR_NAMES.casefold().split())
_IN = frozenset(("in", "notin", "globalin", "globalnotin", "nullin", "notnullin"))
_LINE = re.compile(r"( *)(\S+)(?: (.*))?\Z", re.DOTALL)
_ENDING = re.compile(r"( \(alias [^\n]*\))?( \(children [0-9]+\))?\Z")


class ReaderGate:
    """Lets a reader's statements through, or raises EngineFault 497. Safe to use from many threads.

    `database` is the only one whose tables may be named. Texts that passed are remembered.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._passed: OrderedDict[str, None] = OrderedDict()

    def check(self, statement: Statement, explain: Callable[[str], str]) -> None:
        """`explain` runs a text and gives its result, a value a line."""
        with self._lock:
            if statement.text in self._passed:
                self._passed.move_to_end(statement.text)
                return
        found = list(tokens(statement.text.encode()))
        if statement.kind is not Kind.READ or found[0].upper not in _FIRST_WORDS:
            raise _denied("this kind of statement")
        text = statement.text
        if len(found) > 2 and found[-2].upper == b"FORMAT":
            text = text.encode()[: found[-2].start].decode()
        check_tree(explain(f"EXPLAIN AST {text}").splitlines(), self._database)
        with self._lock:
            self._passed[statement.text] = None
            while len(self._passed) > _REMEMBERED:
                self._passed.popitem(last=False)


def check_tree(lines: Sequence[str], database: str) -> None:
    """Refuses a tree with a node, function or table that is on no list. Raises EngineFault.

    A name with a line end in it makes further lines, never fewer.
    """
    if not lines:
        raise _denied("a statement without a tree")
    above = ""
    for number, line in enumerate(lines):
        if not line:
            continue
        parts = _LINE.match(line)
        kind, rest = (parts[2], parts[3] or "") if parts else ("", "")
        name = _ENDING.sub("", rest)
        if kind not in _NODES:
            raise _denied("a part of this statement")
        if kind == "Function":
            if above == "TableExpression":
                raise _denied("a table function")
            _check_function(name, lines, number)
        elif kind == "TableIdentifier" and "." in name and not name.startswith(f"{database}."):
            raise _denied("a table of another database")
        elif kind == "Explain" and name != "EXPLAIN ESTIMATE":
            raise _denied("this kind of EXPLAIN")
        above = kind


def _check_function(name: str, lines: Sequence[str], number: int) -> None:
    lowered = name.casefold()
    if lowered not in _OPERATORS and not functions.is_allowed(name):
        raise _denied(f"the function {name[:64]}")
    if lowered in _IN and _second_argument(lines, number).startswith("Identifier"):
        raise _denied("IN with the name of a table")


def _second_argument(lines: Sequence[str], number: int) -> str:
    """The line of the second argument of the function in line `number`: two deeper than it is."""
    depth = len(lines[number]) - len(lines[number].lstrip(" ")) + 2
    seen = 0
    for line in lines[number + 1 :]:
        inner = len(line) - len(line.lstrip(" "))
        if inner < depth - 1:
            break
        seen += inner == depth
        if seen == 2:
            return line.strip()
    return "Identifier"  # no second argument is not what IN has: refused


def _denied(what: str) -> EngineFault:
    return EngineFault(ACCESS_DENIED, f"Not enough privileges: {what} is not for the reader")
