"""The local mesh: starts every process in order, keeps each one serving and stops all of them cleanly.

A process that ends is started again at once, later ones after doubling waits; one that keeps ending rests a
minute between tries. One that answers nothing for a while is killed and replaced. Children end with their
supervisor: services by a pipe it holds and the kernel's death signal, Envoy and PostgreSQL by that signal;
what hangs even then is found and ended by the next `up` or `down`.
"""

from __future__ import annotations
