"""`python -m aidatalabs_services.data.engine`: one engine process; started by process.py, see launch.py."""

from __future__ import annotations

from aidatalabs_services.data.engine.launch import main

if __name__ == "__main__":
    main()
