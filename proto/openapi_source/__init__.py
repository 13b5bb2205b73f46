"""Prints the contract's REST side as OpenAPI 3.1: `document` makes it, `yaml_text` writes it.

    descriptors with comments ──► schemas   messages, enums, field rules
                              ├─► reasons   why a call is refused, by HTTP status
                              └─► operations  paths, parameters, bodies, answers

Nothing is guessed: a rule or a shape that has no translation here stops `make gen`.
"""

from __future__ import annotations
