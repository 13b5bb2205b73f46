"""What happens around every call, outermost first.

    request id → errors → deadline → peer → caller → room → decoding → field rules → gate → place → handler

`calls.CallInterceptor` runs these steps in this order for all four kinds of calls; the other modules are one
step each.
"""

from __future__ import annotations

from aidatalabs_services.runtime.interceptors.calls import CallInterceptor

__all__ = ["CallInterceptor"]
