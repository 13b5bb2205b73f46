"""Charts as files: PNG and SVG drawn on this machine, a page that needs no network, or the spec itself."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aidatalabs_services.agent.charts.enclosure import encloses_itself
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.cli.whole_files import whole_file

ENDINGS = (".png", ".svg", ".html", ".json")
_WIDTH, _HEIGHT = 640, 360
_PNG_SCALE = 2.0
_NOT_DRAWN = "This chart cannot be drawn."
_SAVE_INSTEAD = "Save its spec with --chart FILE.json and open that instead."


def picture_bytes(spec: Mapping[str, Any], ending: str) -> bytes:
    """The picture of a Vega-Lite spec in the format of `ending`. Raises CommandFailed for a broken spec.

    Nothing is fetched: the data is in the spec, the fonts and the libraries come with the renderer.
    """
    if ending == ".json":
        return (json.dumps(spec, indent=2, ensure_ascii=False) + "\n").encode()
    import vl_convert  # slow to import, and seldom needed

    sized = _sized(spec)
    if not encloses_itself(sized):  # the renderer would read local files, whatever addresses it is allowed
        raise CommandFailed(_NOT_DRAWN, _SAVE_INSTEAD)
    try:
        if ending == ".html":
            return _page(sized).encode()
        if ending == ".svg":
            return vl_convert.vegalite_to_svg(sized, allowed_base_urls=[]).encode()
        return vl_convert.vegalite_to_png(sized, scale=_PNG_SCALE, allowed_base_urls=[])
    except ValueError:
        raise CommandFailed(_NOT_DRAWN, _SAVE_INSTEAD) from None


def _page(spec: Mapping[str, Any]) -> str:
    """A page with the chart and every library in it.

    The renderer puts the spec into a script as it is: a value with `</script>` in it would end that script
    and begin one of its own, so that `<` goes in as an escape of JavaScript.
    """
    import vl_convert

    stand_in = f"_{secrets.token_hex(8)}_"
    guarded = json.loads(json.dumps(spec).replace("<", stand_in))
    return vl_convert.vegalite_to_html(guarded, bundle=True).replace(stand_in, "\\u003c")


def save_picture(spec: Mapping[str, Any], path: Path) -> int:
    """Writes the picture, whole or not at all; returns the number of bytes."""
    content = picture_bytes(spec, path.suffix.lower())
    with whole_file(path) as target:
        target.write(content)
    return len(content)


def _sized(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with a size (`container` means the page it is put into, and a file has none), in UTC.

    Times are drawn in the zone of the machine otherwise, and a month would begin on the day before.
    """
    sized = dict(spec)
    encoding = {name: _in_utc(channel) for name, channel in (sized.get("encoding") or {}).items()}
    if encoding:
        sized["encoding"] = encoding
    if sized.get("width") in (None, "container"):
        sized["width"] = _WIDTH
    mark = sized.get("mark")
    kind = mark.get("type") if isinstance(mark, Mapping) else mark
    if "height" not in sized and kind == "line":
        sized["height"] = _HEIGHT
    return sized


def _in_utc(channel: Any) -> Any:
    if not isinstance(channel, Mapping) or channel.get("type") != "temporal":
        return channel
    return {**channel, "scale": {"type": "utc", **(channel.get("scale") or {})}}
