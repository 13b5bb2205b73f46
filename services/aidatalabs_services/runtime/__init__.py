"""What every service stands on; it knows no service."""

from __future__ import annotations

import os

# Read by gRPC when it is first imported. We start processes, never fork one that uses gRPC; and its own
# lines on standard error would be neither JSON nor redacted.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
