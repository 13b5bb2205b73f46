"""The page of refusals: every reason of the catalogue, with its code, facts, who sends it and what to do."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator

from google.protobuf.descriptor import ServiceDescriptor
from openapi_source.operations import bindings
from openapi_source.reasons import Reason

import aidatalabs_services
from aidatalabs_services.mesh.edge_refusals import REFUSALS
from aidatalabs_services.runtime.errors import ServiceError, StatusCode
from docs.generator import contract, markdown
from docs.generator.advice import ADVICE

_ROW_COMMENT = "aidatalabs.data.v1.RejectedRow.reason"
_ABOUT = """\
Every refusal has one shape, on every surface: `google.rpc.Status` with an ErrorInfo whose `domain` is
`aidatalabs` and whose `reason` stands on this page. Fields that broke a rule come as BadRequest, a time
after which to try again as RetryInfo. REST has it as the JSON body, gRPC in `grpc-status-details-bin`, the
command line as text or, with `--output json`, as one JSON object on standard error, its exit code the gRPC
code's number.

```json
{
  "code": 5,
  "message": "There is no platform 'platforms/shop' among those you can see. …",
  "details": [
    {
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      "reason": "PLATFORM_NOT_FOUND",
      "domain": "aidatalabs",
      "metadata": {"platform": "platforms/shop", "request_id": "0b1f5f3c-6a0e-4b5e-9f57-3f9d2f6f7c11"}
    }
  ]
}
```

`metadata` always has the `request_id`, except where the edge refuses before a request has one. Texts may
become better; reasons, codes and names of facts stay.
"""


def text() -> str:
    """The page. Raises ValueError where a reason has no advice, or an advice no reason."""
    catalogue = contract.reasons().catalogue
    if catalogue.keys() != ADVICE.keys():
        raise ValueError(f"advice.py and the catalogue differ in {sorted(catalogue.keys() ^ ADVICE.keys())}")
    senders, methods = _senders(), _methods()
    parts = ["## All reasons", _overview(list(catalogue.values()))]
    parts += [
        _entry(reason, senders[reason.name], methods.get(reason.name, [])) for reason in catalogue.values()
    ]
    parts += ["## Rejected rows", _rejected_rows()]
    return markdown.page("Errors", _ABOUT, parts)


def error_classes() -> Iterator[type[ServiceError]]:
    """Every class of the services that is a reason."""
    for found in pkgutil.walk_packages(aidatalabs_services.__path__, "aidatalabs_services."):
        if found.name.endswith(".errors"):
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, type) and issubclass(value, ServiceError) and value is not ServiceError:
                    yield value


def _overview(catalogue: list[Reason]) -> str:
    rows = [
        [markdown.link(one.name, one.name), _code(one), _statuses(one), one.sentence] for one in catalogue
    ]
    return markdown.table(["reason", "gRPC code", "HTTP", "meaning"], rows)


def _entry(reason: Reason, senders: list[str], methods: list[str]) -> str:
    facts = ", ".join(markdown.code(name) for name in _facts(reason))
    lines = [
        f"- **Code:** {_code(reason)} ({reason.code}), HTTP {_statuses(reason)}",
        f"- **Sent by:** {', '.join(senders)}",
        f"- **Facts in `metadata`:** {facts or 'none'}",
        f"- **What to do:** {ADVICE[reason.name]}",
        f"- **Methods that name it:** {', '.join(methods) or 'none'}"
        if reason.name not in contract.ALWAYS
        else "- **Methods that name it:** any call may meet it",
    ]
    example = json.dumps(reason.example, ensure_ascii=False)
    return f"### {reason.name}\n\n{reason.sentence}\n\n" + "\n".join(lines) + f"\n\n```json\n{example}\n```"


def _code(reason: Reason) -> str:
    return StatusCode(reason.code).name


def _statuses(reason: Reason) -> str:
    return " or ".join(map(str, reason.statuses))


def _facts(reason: Reason) -> list[str]:
    """Names of the facts: those of the catalogue's example, and those that the class speaks of."""
    names = dict.fromkeys(reason.example["metadata"])
    for kind in error_classes():
        if kind.reason == reason.name:
            for found in re.findall(r"metadata ((?:`\w+`(?:, | and )?)+)", kind.__doc__ or ""):
                names |= dict.fromkeys(re.findall(r"`(\w+)`", found))
    return [name for name in names if name != "request_id"]


def _senders() -> dict[str, list[str]]:
    """By reason: the services whose class it is, `every service`, `the edge`."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for kind in error_classes():
        owner = kind.__module__.split(".")[1]
        found[kind.reason]["every service" if owner == "runtime" else owner] = None
    for refusal in REFUSALS:
        found[refusal.reason]["the edge"] = None
    return {reason: list(names) for reason, names in found.items()}


def _methods() -> dict[str, list[str]]:
    """By reason: links to the methods that name it; a service of which all do stands for them."""
    found: dict[str, dict[ServiceDescriptor, list[str]]] = defaultdict(lambda: defaultdict(list))
    for method in contract.methods():
        with_body = any(one.body for one in bindings(method))
        for reason in contract.reasons().of(method, with_body=with_body):
            found[reason.name][method.containing_service].append(method.name)
    return {
        reason: [one for service, names in by_service.items() for one in _links(service, names)]
        for reason, by_service in found.items()
    }


def _links(service: ServiceDescriptor, methods: list[str]) -> list[str]:
    if len(methods) == len(service.methods) > 1:
        return [f"every method of {markdown.link(service.name, service.name, 'rpcs.md')}"]
    names = [f"{service.name}.{method}" for method in methods]
    return [markdown.link(name, name, "rpcs.md") for name in names]


def _rejected_rows() -> str:
    """The verdicts on single rows, which fail no call."""
    comment = contract.comments()[_ROW_COMMENT]
    names = [name for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", comment) if name != "UPPER_SNAKE"]
    return (
        "A row that cannot be stored fails no call: the receipt of an ingest names it in `rejected`, with "
        "its index, a message that names the column, and one of these: "
        f"{', '.join(markdown.code(name) for name in names)}."
    )
