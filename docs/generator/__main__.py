"""The script: writes the reference, or with `--check` says what is not fresh and fails."""

from __future__ import annotations

import sys

from docs.generator import REFERENCE
from docs.generator.pages import PAGES, stale


def main(arguments: list[str]) -> int:
    """The exit code: 1 when `--check` finds a page that differs from the code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m docs.generator [--check]\n")
        return 2
    if arguments:
        old = stale(REFERENCE)
        if old:
            sys.stderr.write("docs/reference/ is not fresh; run `make docs` and commit:\n")
            sys.stderr.writelines(f"  {name}\n" for name in old)
        return 1 if old else 0
    REFERENCE.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
