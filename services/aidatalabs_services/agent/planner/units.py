"""Unit words of names, comments and questions, and how they are written in answers."""

from __future__ import annotations

CURRENCIES = frozenset(("dollar", "usd", "euro", "eur", "pound", "gbp", "buck", "chf", "yen", "franc"))
UNIT_WORDS: dict[str, str] = {
    "minute": "minutes", "min": "minutes", "second": "seconds", "sec": "seconds", "hour": "hours",
    "hr": "hours",
    "millisecond": "milliseconds", "ms": "milliseconds", "mile": "miles", "km": "kilometres",
    "kilometre": "kilometres", "kilometer": "kilometres", "metre": "metres", "meter": "metres",
    "feet": "feet",
    "foot": "feet", "ft": "feet", "inch": "inches", "inches": "inches", "kg": "kilograms",
    "kilogram": "kilograms", "kilo": "kilograms", "tonne": "tonnes",
    "gram": "grams", "lb": "pounds", "percent": "percent", "%": "percent", "pct": "percent",
    "degree": "degrees",
    "celsius": "degrees Celsius", "fahrenheit": "degrees Fahrenheit", "mph": "miles per hour",
    "usd": "US dollars", "dollar": "US dollars", "eur": "euros", "euro": "euros", "gbp": "pounds sterling",
    "knot": "knots", "litre": "litres", "liter": "litres", "kwh": "kWh", "mb": "megabytes",

    "hectare": "hectares", "ha": "hectares", "acre": "acres", "sqft": "square feet", "sqm": "square metres",
    "millibar": "millibars", "kelvin": "kelvin", "hpa": "hectopascals", "cm": "centimetres",
    "mm": "millimetres",
}  # fmt: skip
"""Unit words of names, comments and questions, and how they are written in answers."""


_CLASSES = {
    "money": frozenset(("US dollars", "euros", "pounds sterling")),
    "time": frozenset(
        ("minutes", "seconds", "hours", "milliseconds", "days", "weeks", "months", "quarters", "years")
    ),
    "length": frozenset(("miles", "kilometres", "metres", "feet", "inches", "centimetres", "millimetres")),
    "weight": frozenset(("kilograms", "grams", "pounds", "tonnes")),
    "heat": frozenset(("degrees", "degrees Celsius", "degrees Fahrenheit", "kelvin")),
    "speed": frozenset(("miles per hour", "knots")),
    "area": frozenset(("square feet", "square metres", "hectares", "acres")),
}


def unit_class(unit: str) -> str:
    """What a unit measures: money, time, length, weight, heat, speed or area; empty for any other."""
    return next((name for name, units in _CLASSES.items() if unit in units), "")
