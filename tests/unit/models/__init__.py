"""What models may say and cost, without a provider."""

from __future__ import annotations
