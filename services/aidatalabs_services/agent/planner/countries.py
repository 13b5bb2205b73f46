"""Codes of countries and what people call them: a value `DE` is meant by Germany and by German.

ISO 3166-1 alpha-2 and alpha-3 codes, the usual English name, and the adjective; states of the USA by their
postal codes.
"""

from __future__ import annotations

from collections.abc import Collection

_COUNTRIES = """
AE ARE united_arab_emirates emirati|AR ARG argentina argentine argentinian|AT AUT austria austrian
AU AUS australia australian|BD BGD bangladesh bangladeshi|BE BEL belgium belgian|BG BGR bulgaria bulgarian
BO BOL bolivia bolivian|BR BRA brazil brazilian|CA CAN canada canadian|CH CHE switzerland swiss
CL CHL chile chilean|CN CHN china chinese|CO COL colombia colombian|CR CRI costa_rica costa_rican
CU CUB cuba cuban|CY CYP cyprus cypriot|CZ CZE czech_republic czech czechia|DE DEU germany german
DK DNK denmark danish|DZ DZA algeria algerian|EC ECU ecuador ecuadorian|EE EST estonia estonian
EG EGY egypt egyptian|ES ESP spain spanish|ET ETH ethiopia ethiopian|FI FIN finland finnish
FR FRA france french|GB GBR united_kingdom british uk great_britain britain|GE GEO georgia georgian
GH GHA ghana ghanaian|GR GRC greece greek|HR HRV croatia croatian|HU HUN hungary hungarian
ID IDN indonesia indonesian|IE IRL ireland irish|IL ISR israel israeli|IN IND india indian
IQ IRQ iraq iraqi|IR IRN iran iranian|IS ISL iceland icelandic|IT ITA italy italian|JM JAM jamaica jamaican
JP JPN japan japanese|KE KEN kenya kenyan|KR KOR south_korea korean south_korean|KZ KAZ kazakhstan kazakh
LB LBN lebanon lebanese
LK LKA sri_lanka sri_lankan|LT LTU lithuania lithuanian|LU LUX luxembourg luxembourgish
LV LVA latvia latvian|MA MAR morocco moroccan|MT MLT malta maltese|MX MEX mexico mexican
MY MYS malaysia malaysian|NG NGA nigeria nigerian|NL NLD netherlands dutch holland|NO NOR norway norwegian
NP NPL nepal nepalese|NZ NZL new_zealand new_zealander|PA PAN panama panamanian|PE PER peru peruvian
PH PHL philippines filipino|PK PAK pakistan pakistani|PL POL poland polish|PT PRT portugal portuguese
PY PRY paraguay paraguayan|QA QAT qatar qatari|RO ROU romania romanian|RS SRB serbia serbian
RU RUS russia russian|SA SAU saudi_arabia saudi|SE SWE sweden swedish|SG SGP singapore singaporean
SI SVN slovenia slovenian|SK SVK slovakia slovak|SN SEN senegal senegalese|TH THA thailand thai
TN TUN tunisia tunisian|TR TUR turkey turkish|TW TWN taiwan taiwanese|TZ TZA tanzania tanzanian
UA UKR ukraine ukrainian|UG UGA uganda ugandan|US USA united_states american usa united_states_of_america
UY URY uruguay uruguayan|VE VEN venezuela venezuelan|VN VNM vietnam vietnamese
ZA ZAF south_africa south_african
ZW ZWE zimbabwe zimbabwean
"""
_STATES = """
AL alabama|AK alaska|AZ arizona|AR arkansas|CA california|CO colorado|CT connecticut|DE delaware|FL florida
GA georgia|HI hawaii|ID idaho|IL illinois|IN indiana|IA iowa|KS kansas|KY kentucky|LA louisiana|ME maine
MD maryland|MA massachusetts|MI michigan|MN minnesota|MS mississippi|MO missouri|MT montana|NE nebraska
NV nevada|NH new_hampshire|NJ new_jersey|NM new_mexico|NY new_york|NC north_carolina|ND north_dakota|OH ohio
OK oklahoma|OR oregon|PA pennsylvania|RI rhode_island|SC south_carolina|SD south_dakota|TN tennessee|TX texas
UT utah|VT vermont|VA virginia|WA washington|WV west_virginia|WI wisconsin|WY wyoming
"""


def _rows(text: str) -> list[list[str]]:
    return [row.split() for line in text.strip().splitlines() for row in line.split("|")]


_COUNTRY_ROWS = _rows(_COUNTRIES)
_STATE_ROWS = _rows(_STATES)
_NAMED = {name: row[2:] for row in _COUNTRY_ROWS for name in row}
_STATE_NAMED = {row[0]: row[1:] for row in _STATE_ROWS}
_SEXES = {
    "m": ("male", "men", "man"), "male": ("men", "man"),
    "f": ("female", "women", "woman"), "female": ("women", "woman"),
}  # fmt: skip
_FEW = 6
_LEAST_SHARE = 0.8


def aliases(parts: Collection[str], values: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What else people call the values of a column, by value; nothing where they are no countries or states.

    `parts` are the words of the column's name: codes of two letters are countries in a column named so, and
    states in one named so.
    """
    held = [value for value in values if value]
    if not held:
        return {}
    sexes = {"sex", "gender"} & set(parts) and {value.casefold() for value in held} & {"male", "m"}
    if sexes and len(held) <= _FEW:
        return {value: _SEXES[value.casefold()] for value in held if value.casefold() in _SEXES}
    if "state" in parts and all(len(value) == 2 for value in held):
        return _called(held, _STATE_NAMED)
    coded = {value: value if value.isupper() else value.casefold().replace(" ", "_") for value in held}
    named = bool({"country", "nation", "nationality", "origin", "market", "citizenship"} & set(parts))
    if not named and any(len(value) == 2 for value in held):
        return {}
    found = {value: tuple(_NAMED[key]) for value, key in coded.items() if key in _NAMED}
    if len(found) < _LEAST_SHARE * len(held) and not (named and found):
        return {}
    return {value: tuple(name.replace("_", " ") for name in names) for value, names in found.items()}


def _called(values: list[str], table: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    found = {value: tuple(n.replace("_", " ") for n in table[value]) for value in values if value in table}
    return found if len(found) >= _LEAST_SHARE * len(values) else {}
