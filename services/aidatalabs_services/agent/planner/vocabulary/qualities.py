"""Qualities and the numbers that tell them: which columns `most valuable`, `weighs` or `pricey` may mean."""

from __future__ import annotations

from .forms import words

OWN_FRONTS = words(
    """
    purchase sale sales selling unit list retail total net gross market estimated book nightly daily hourly
    weekly monthly room day night hour base rental ticket full entry asking item product annual yearly current
    of in per g m l h
    """
)
"""Words before a number that is still the row's own, as the heart rate of a stay is not its rate."""

QUALITIES: dict[str, tuple[bool, tuple[str, ...]]] = {
    # adjective: (whether most of it is the highest number, words of columns, the likeliest first)
    "valuable": (True, ("value", "worth", "price", "amount")),
    "precious": (True, ("value", "worth", "price")),
    "expensive": (True, ("price", "cost", "fare", "fee", "rate", "value", "amount")),
    "costly": (True, ("cost", "price", "fare", "fee", "amount")),
    "pricey": (True, ("price", "cost", "fare", "fee", "rate")),
    "pricy": (True, ("price", "cost", "fare", "fee", "rate")),
    "big": (True, ("size", "area", "capacity", "population", "resident", "inhabitant", "volume")),
    "large": (True, ("size", "area", "capacity", "population", "resident", "inhabitant", "volume")),
    "small": (False, ("size", "area", "capacity", "population", "resident", "inhabitant", "volume")),
    "long": (True, ("length", "duration", "page", "distance")),
    "short": (False, ("length", "duration", "page", "distance", "height")),
    "dear": (True, ("price", "cost")),
    "cheap": (False, ("price", "cost", "fare", "fee", "rate", "amount")),
    "affordable": (False, ("price", "cost", "fare", "fee", "rate")),
    "lucrative": (True, ("revenue", "profit", "income", "amount", "total")),
    "heavy": (True, ("weight", "mass", "load", "kg", "gram", "lb")),
    "light": (False, ("weight", "mass", "kg", "gram", "lb")),
    "weighty": (True, ("weight", "mass")),
    "tall": (True, ("height", "stature")),
    "spacious": (True, ("area", "size", "sqm", "sqft", "capacity")),
    "roomy": (True, ("area", "size", "sqm", "capacity")),
    "populous": (True, ("population", "inhabitant", "resident")),
    "crowded": (True, ("occupancy", "attendance", "visitor", "people", "guest")),
    "distant": (True, ("distance",)),
    "remote": (True, ("distance",)),
    "powerful": (True, ("power", "horsepower", "watt", "kw")),
    "loud": (True, ("loudness", "noise", "volume", "decibel", "db")),
    "bright": (True, ("brightness", "lumen", "luminosity")),
    "profitable": (True, ("profit", "margin")),
    "generous": (True, ("donation", "amount", "tip", "bonus")),
    "experienced": (True, ("experience", "seniority", "tenure")),
    "senior": (True, ("seniority", "experience", "tenure")),
    "productive": (True, ("output", "production", "yield")),
    "rated": (True, ("rating", "score", "star", "grade")),
    "paid": (True, ("salary", "wage", "pay")),
    "polluted": (True, ("pollution", "pm", "aqi")),
    "humid": (True, ("humidity",)),
    "rainy": (True, ("rainfall", "rain", "precipitation")),
    "wet": (True, ("rainfall", "rain", "precipitation", "humidity")),
    "hot": (True, ("temperature",)),
    "cold": (False, ("temperature",)),
    "deep": (True, ("depth",)),
    "wide": (True, ("width",)),
    "thick": (True, ("thickness", "page")),
    "steep": (True, ("gradient", "slope", "incline")),
    "strong": (True, ("strength", "magnitude", "force")),
    "severe": (True, ("severity",)),
    "urgent": (True, ("priority", "urgency")),
    "delayed": (True, ("delay", "lateness")),
    "discounted": (True, ("discount",)),
}
"""Adjectives that one number tells, whichever way it is called."""

MEASURING_VERBS: dict[str, tuple[str, ...]] = {
    "weigh": ("weight", "mass", "kg", "gram"),
    "cost": ("price", "cost", "fare", "fee", "rate", "postage", "amount"),
    "earn": ("salary", "wage", "pay", "income", "earning"),
    "seat": ("capacity", "seat"),
    "accommodate": ("capacity", "seat", "bed"),
    "worth": ("value", "worth", "price"),
    "score": ("score", "point", "rating"),
}
"""Verbs, and one word that is none, that compare or ask for one number of a thing."""

WORTH_LEADS = frozenset(("more", "over", "less", "under", "at", "above", "below", "between", "exactly"))
"""What follows such a word where it compares."""

UNIT_NAMES: dict[str, str] = {
    "kilo": "kilograms", "kilogram": "kilograms", "kilogramme": "kilograms", "kg": "kilograms",
    "gram": "grams", "gramme": "grams", "pound": "pounds", "lb": "pounds",
    "kilometre": "kilometres", "kilometer": "kilometres", "km": "kilometres", "mile": "miles",
    "metre": "metres", "meter": "metres", "centimetre": "centimetres", "centimeter": "centimetres",
    "cm": "centimetres", "millimetre": "millimetres", "millimeter": "millimetres", "mm": "millimetres",
    "foot": "feet", "feet": "feet", "inch": "inches", "inche": "inches",
    "second": "seconds", "sec": "seconds", "minute": "minutes", "min": "minutes", "hour": "hours",
    "day": "days", "week": "weeks",
    "dollar": "US dollars", "usd": "US dollars", "buck": "US dollars", "euro": "euros", "eur": "euros",
    "pound sterling": "pounds sterling", "gbp": "pounds sterling", "quid": "pounds sterling",
    "tonne": "tonnes", "hectare": "hectares", "ha": "hectares", "acre": "acres",
    "litre": "litres", "liter": "litres", "kwh": "kWh", "degree": "degrees", "celsius": "degrees Celsius",
    "percent": "percent",
}  # fmt: skip
"""Units as they are said, and as columns have them."""

VERBS_OF_VALUES: dict[str, tuple[str, ...]] = {
    "ride": ("vehicle", "bike", "transport", "mode", "horse", "car"),
    "drive": ("vehicle", "car", "van", "truck", "model", "make", "brand", "transport"),
    "fly": ("aircraft", "plane", "airline", "carrier", "class", "cabin"),
    "own": ("vehicle", "car", "bike", "pet", "device", "model", "make", "brand"),
    "speak": ("language", "tongue"),
    "live": ("city", "town", "country", "region", "district", "state", "area", "address", "home"),
    "reside": ("city", "town", "country", "region", "district", "state", "area", "address", "home"),
    "base": ("city", "town", "country", "region", "office", "site", "location", "branch", "depot"),
    "study": ("subject", "major", "course", "programme", "program", "degree", "field"),
    "play": ("instrument", "sport", "position", "game", "genre"),
    "use": (
        "device",
        "browser",
        "os",
        "platform",
        "plan",
        "version",
        "client",
        "channel",
        "method",
        "language",
        "app",
    ),
    "wear": ("size", "colour", "color"),
    "travel": ("mode", "vehicle", "class", "cabin"),
    "pay": ("method", "payment"),
    "drink": ("drink", "beverage"),
    "work": (
        "department",
        "team",
        "office",
        "city",
        "role",
        "position",
        "shift",
        "site",
        "branch",
        "section",
    ),
    "belong": ("department", "team", "group", "category", "region", "plan", "tier", "class"),
    "treat": ("specialty", "speciality", "condition", "disease"),
    "come": ("city", "country", "region", "nationality", "source", "channel", "origin", "referrer"),
    "suffer": ("disease", "condition", "diagnosis", "illness", "allergy"),
}
"""Verbs that say no more than that a thing has a value of such a column: `couriers who ride a cargo bike`."""
