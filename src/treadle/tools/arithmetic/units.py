"""Conversions such as `5 miles in km`, exactly, by the definitions of pint.

pint is imported at the first conversion, and never reads an expression: the units are split here
into names with small powers, so nothing in them can take long.
"""

import functools
import re
from fractions import Fraction
from typing import Any

from ...core.errors import ToolError

MAX_CHARS = 200
_CONVERSION = re.compile(
    r"\s*(?:convert\s)?(?P<amount>.+)(?:\s+(?:in|to|into|as)\s+|\s*(?:->|→|=>)\s*)"
    r"(?P<unit>[^\d\s(][^()]*?)\s*",
    re.I,
)
_AMOUNT = re.compile(
    r"(?P<number>.*?(?:\b0(?:x[0-9a-f_]+|b[01_]+|o[0-7_]+)(?=\s)|"
    r"\d(?:\.\d*)?(?:e[+-]?\d+)?|\)))\s*(?P<unit>[a-zµΩ°%][^()]*)",
    re.I,
)
_UNIT = re.compile(
    r"[^\d+]*?(?:(?:\^|\*\*)-?[1-4]|[a-z][1-4]|[²³]|(?=\s*[-+,\d]|\s+and\s|$))+", re.I
)
"""The unit of one part, up to its power or the next number."""
_NEXT = re.compile(r"\s*(?:,|\band\b)?\s*(?P<sign>[+-]?)\s*(?=[\d.(])", re.I)
_PART = re.compile(
    r"\s*(?P<sign>\*|/|·|\bper\b)?\s*(?P<shape>(?:square|sq\.?|cubic|cu\.?)\s+)?"
    r"(?P<name>(?:nautical|fluid|fl\.?|metric|light|imperial|us|british|troy)[\s_]+[a-z]+|"
    r"[a-zµμΩÅ°%][a-zµμΩÅ_]*)\.?(?:(?:\^|\*\*)?(?P<power>-?[1-4])|(?P<small>[²³]))?",
    re.I,
)
MAX_PARTS = 6
_WRITTEN = {
    "degF": "f, °f, fahrenheit",
    "degC": "c, °c, celsius, centigrade",
    "kelvin": "k",
    "liter": "l",
    "second": "sec, secs",
    "minute": "mins",
    "hour": "hr, hrs",
    "week": "wk",
    "year": "yr, yrs",
    "pound": "lbs",
    "ounce": "ozs",
    "fluid_ounce": "fl oz",
    "nautical_mile": "nmi",
    "kilometer_per_hour": "kph, kmh",
    "centimeter**3": "cc",
    "metric_ton": "metric tons, metric tonnes",
    "inch": "in, inches",
    "degree": "degrees, °",
    "percent": "%",
    "foot": "feet",
    "international_acre": "acre, acres",
    "mile/gallon": "mpg",
    "oil_barrel": "barrel, barrels, bbl",
    "kilocalorie": "Cal, Cals, Calorie, Calories",
    "turn": "rev, revs",
    "month": "mo",
    "thou": "mil, mils",
    "stone": "st",
    "astronomical_unit": "AU",
    "metric_horsepower": "PS",
    "newton*meter": "Nm",
    "kilobyte": "KB, kB",
    "kilobit": "kb",
    "megabit": "Mb",
    "gigabit": "Gb",
    "terabit": "Tb",
    "bit": "b",
    "kilobyte/second": "kBps, KBps",
    "megabyte/second": "MBps",
    "gigabyte/second": "GBps",
    "kilobit/second": "kbps",
    "megabit/second": "mbps",
    "gigabit/second": "gbps",
}
NAMES = {name: unit for unit, names in _WRITTEN.items() for name in names.split(", ")}
"""What people write where pint has another name, or another unit: F is a farad, K a prefix."""
COMMON_NAMES = (
    "mm cm km miles mile meters feet foot inches inch yards mg grams kg lb lbs pounds ounces oz"
    " tons ml liters gallons cups pints quarts seconds minutes hours days weeks years mph bits"
    " bytes KB MB GB TB KiB MiB GiB joules kWh watts calories kcal acres hectares degrees radians"
    " m g L F C K s h in to per square cubic"
)
"""The words of conversions that the embedded model can write."""


def split_conversion(expression: str) -> tuple[str, str] | None:
    """The amount and the unit that it is wanted in; None if the expression is no conversion."""
    found = _CONVERSION.fullmatch(expression)
    if found is None or not re.search(r"[^\W\d_]|[°%]", found["amount"]):
        return None
    if len(expression) > MAX_CHARS:
        raise ToolError(f"a conversion has at most {MAX_CHARS} characters; split it")
    return found["amount"], found["unit"]


def read_amounts(text: str) -> list[tuple[str, str, str]]:
    """The sign, number and unit of each part of `5 ft 3 in` or `2 km + 300 m`."""
    parts: list[tuple[str, str, str]] = []
    sign = ""
    while True:
        found = _AMOUNT.fullmatch(text)
        if found is None:
            raise ToolError(f"{text!r} is no amount with a unit; write it as in 5 miles in km")
        unit = _UNIT.match(found["unit"])
        name = unit[0].strip() if unit else ""
        if not name:
            raise ToolError(f"{found['unit']!r} is no unit")
        parts.append((sign, found["number"], name))
        rest = found["unit"][len(unit[0]) if unit else 0 :]
        if not rest.strip():
            return parts
        following = _NEXT.match(rest)
        if following is None:
            raise ToolError(f"{found['unit']!r} is no unit; write it as in 9.8 m/s^2 in ft/s^2")
        sign = following["sign"]
        text = rest[following.end() :]


def convert(amounts: list[tuple[Fraction, str]], unit: str) -> Fraction:
    """The sum of the amounts in this unit. Raises ToolError for units that don't fit or exist.

    Temperatures aren't added: of two, nobody knows which is a point on its scale, and which a
    difference. A hertz is one turn a second where the other unit counts angles.
    """
    target = _find_unit(unit)
    total = Fraction(0)
    for number, name in amounts:
        source = _find_unit(name)
        if len(amounts) > 1 and (_has_own_zero(source) or _has_own_zero(target)):
            raise ToolError(
                "temperatures can't be added: a point on a scale isn't a difference. Convert each"
                " alone, as in 10 C in F, or calculate with their numbers first"
            )
        total += _convert_one(number, source, target, (name, unit))
    return total


def _convert_one(number: Fraction, source: Any, target: Any, names: tuple[str, str]) -> Fraction:
    name, unit = names
    try:
        source, wanted = _count_turns(source, target), _count_turns(target, source)
        amount = _registry().Quantity(Fraction(number), source)
        found = Fraction(amount.to(wanted).magnitude)
    except Exception:  # its errors for fractions can't even be shown
        raise ToolError(
            f"{name} can't be converted to {unit}: they don't measure the same"
        ) from None
    if source.is_compatible_with("kelvin") and amount.to("kelvin").magnitude < 0:
        raise ToolError(
            f"{float(number):g} {name} is below absolute zero, which is -273.15 C or -459.67 F"
        )
    return found


def _has_own_zero(unit: Any) -> bool:
    """Whether its zero isn't nothing, as that of degrees Celsius."""
    return str(unit) in ("degree_Celsius", "degree_Fahrenheit", "degree_Reaumur")


def _count_turns(unit: Any, other: Any) -> Any:
    """The unit with its hertz as turns a second, if the other unit counts angles, as rpm do."""
    if not _counts_angles(other) or _counts_angles(unit):
        return unit
    for name, power in _registry().Quantity(1, unit).unit_items():
        if name.endswith("hertz"):
            return unit * _registry().turn ** power
    return unit


def _counts_angles(unit: Any) -> bool:
    root = _registry().Quantity(Fraction(1), unit).to_root_units()
    return "radian" in dict(root.unit_items())


def _find_unit(text: str) -> Any:
    parts: list[str] = []
    at = 0
    text = text.strip()
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or len(parts) >= MAX_PARTS or (parts and not found["sign"]):
            raise _unknown(text)
        power = int(found["power"] or {"²": 2, "³": 3}.get(found["small"] or "", 1))
        shape = (found["shape"] or "").lower()
        if shape:
            power = 3 if shape.startswith("cu") else 2
        if (found["sign"] or "*").lower() in ("/", "per"):
            power = -power
        parts.append(f"({_find_name(found['name'])})**({power})")
        at = found.end()
    if not parts:
        raise _unknown(text)
    if parts[0].endswith("(1)") and len(parts) == 1:
        return _registry().Unit(parts[0][1:].partition(")")[0])
    return _registry().Unit("*".join(parts))


def _find_name(name: str) -> str:
    """pint's name of a unit, in the case that was written, else in lower case."""
    words = re.sub(r"[\s_]+", " ", name.replace(".", ""))
    if known := NAMES.get(words) or NAMES.get(words.lower()):
        return known
    joined = words.replace(" ", "_")
    for each in (joined, joined.lower()):
        if each in _registry():
            return each
    raise _unknown(name)


def _unknown(text: str) -> ToolError:
    return ToolError(
        f"there is no unit {text!r}; write units as in 5 miles in km, 100 F to C, 60 km/h in m/s,"
        " and look up rates of currencies"
    )


@functools.cache
def _registry() -> Any:
    try:
        import pint
    except ImportError:
        raise ToolError(
            "units can't be converted here, since a library is missing: pip install"
            " 'treadle[units]'; numbers alone can be calculated"
        ) from None
    make: Any = pint.UnitRegistry  # its stubs know of floats only
    registry = make(non_int_type=Fraction)
    registry.define("international_acre = 43560 * foot ** 2")  # its own acre is the surveyors'
    return registry
