"""Makes `docs/reference/` out of the code: settings, refusals, RPCs and commands, so that no page can lie.

    python -m docs.generator           writes the pages
    python -m docs.generator --check   writes nothing and fails when a page differs

It stands beside the pages it makes, because it reads every service, the mesh, the command line and the
contract, and belongs to none of them. Nothing of the product imports it.

    contract ──► rpcs_page       every RPC: path, role, limits, fields, reasons
             └─► errors_page     every reason: code, status, facts, what to do (its one hand-written part)
    settings_page                every settings class of the services, the mesh and the command line
    commands_page                every command of `aidatalabs`
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"

# The reader of the contract's comments and rules lies beside the contract and is in no package.
if str(ROOT / "proto") not in sys.path:
    sys.path.append(str(ROOT / "proto"))
