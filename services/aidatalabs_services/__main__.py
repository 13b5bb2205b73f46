"""Runs one service: `python -m aidatalabs_services identity|platform|data|agent|monitoring`.

The image is the same for all; the argument picks the service, and only that service is imported. Exit codes:
0 after a clean stop, 2 for a wrong argument or wrong settings (all of them listed), 1 for anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import sys
from types import ModuleType

import structlog

from aidatalabs_services.runtime.logs import configure_logging
from aidatalabs_services.runtime.server import Service, run
from aidatalabs_services.runtime.settings import ServerSettings, SettingsInvalid, load_settings
from aidatalabs_services.runtime.telemetry import start_tracing, stop_tracing

SERVICES = ("identity", "platform", "data", "agent", "monitoring")


def main(arguments: list[str] | None = None) -> int:
    """Serves until told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m aidatalabs_services", description="Runs one service.")
    parser.add_argument(
        "service", choices=SERVICES, help="which one; its settings are AIDATALABS_<SERVICE>_…"
    )
    name: str = parser.parse_args(arguments).service
    try:
        settings = load_settings(_settings_class(name))
    except SettingsInvalid as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(name, settings.log_level)
    # Before channels and pools are opened: they look whether there is a collector.
    start_tracing(name, settings.telemetry_otlp_endpoint, settings.telemetry_sampled_share)
    bootstrap = _module(name, "bootstrap")
    try:
        asyncio.run(_serve(bootstrap, settings))
    except Exception as error:  # noqa: BLE001 - the last place where a failed start can be said
        structlog.get_logger().error("stopped", problem=str(error), exc_info=error)
        return 1
    finally:
        stop_tracing()
    return 0


async def _serve(bootstrap: ModuleType, settings: ServerSettings) -> None:
    """Bootstraps inside the loop that serves: channels and pools belong to it."""
    made = bootstrap.bootstrap(settings)
    service: Service = await made if inspect.isawaitable(made) else made
    await run(service, settings)


def _settings_class(name: str) -> type[ServerSettings]:
    found: type[ServerSettings] = getattr(_module(name, "settings"), f"{name.capitalize()}Settings")
    return found


def _module(service: str, name: str) -> ModuleType:
    return importlib.import_module(f"aidatalabs_services.{service}.{name}")


if __name__ == "__main__":
    sys.exit(main())
