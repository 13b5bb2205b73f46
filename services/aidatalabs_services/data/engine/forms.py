"""multipart/form-data, which clients use for long parameters: query and param_… as fields."""

from __future__ import annotations

import re

from aidatalabs_services.data.engine.faults import BAD_ARGUMENTS, NOT_IMPLEMENTED, EngineFault

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))')
_NAME = re.compile(r'\bname="([^"]*)"')
_FIELD_COUNT = 10_000


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form. Files (external tables) are not served: NOT_IMPLEMENTED."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise EngineFault(BAD_ARGUMENTS, "The form has no boundary")
    marker = b"--" + (match.group(1) or match.group(2)).encode("latin-1")
    parts = (b"\r\n" + body).split(b"\r\n" + marker)
    if len(parts) < 2 or not parts[-1].startswith(b"--") or len(parts) > _FIELD_COUNT:
        raise EngineFault(BAD_ARGUMENTS, "The form is malformed or cut short")
    fields: dict[str, str] = {}
    for part in parts[1:-1]:
        head, separator, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.decode("utf-8", "replace"))
        if not separator or name is None:
            raise EngineFault(BAD_ARGUMENTS, "A form field is malformed")
        if b"filename=" in head.lower():
            raise EngineFault(
                NOT_IMPLEMENTED, "External tables are not served: insert the rows into a table first"
            )
        try:
            fields[name.group(1)] = value.decode("utf-8")
        except UnicodeDecodeError:
            raise EngineFault(BAD_ARGUMENTS, "A form field is not UTF-8") from None
    return fields
