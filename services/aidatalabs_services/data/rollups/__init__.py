"""Roll-ups: states kept per bucket of time and dimensions, and the rewriter that answers queries from them.

declarations ─► layout (hidden table, view) ─► builds (exactly once, whatever is inserted meanwhile)
admitted statement ─► rewriter (conditions, aggregates, time_axis) ─► the same result from fewer rows
"""
