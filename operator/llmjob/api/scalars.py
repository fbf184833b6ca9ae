"""What a YAML scalar means to Kubernetes: the core types of YAML 1.1 as the API server's parser reads them.

Source: sigs.k8s.io/yaml (goyaml.v2, resolve.go); a test compares every form with a kube-apiserver's answer.
"""

import base64
import binascii
import math
import re
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

TAG: Final = "tag:yaml.org,2002:"
MERGE: Final = TAG + "merge"

_WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
}  # fmt: skip
_NOT_JSON: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASES: Final = (
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
    (re.compile(r"([-+]?)(0|[1-9][0-9]*)"), 10),
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FIRST: Final = frozenset("+-.0123456789")
_LONGEST: Final = 400  # digits; int() of more is slow, and no field needs them


def resolve_plain(text: str) -> Scalar:
    """An unquoted scalar.

    Raises:
        ValueError: for infinities and NaN, which JSON cannot hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST:
        return text
    if _NOT_JSON.fullmatch(text):
        raise ValueError(f"{text} is no number that JSON knows")
    return _number(text.replace("_", "") if text[0] != "." else text, text)


def _number(digits: str, text: str) -> Scalar:
    if len(digits) > _LONGEST:
        return text
    for pattern, base in _BASES:
        match = pattern.fullmatch(digits)
        if match is None:
            continue
        value = int(match[1] + match[2], base)
        if -(2**63) <= value < 2**63:
            return value
        if 0 < value < 2**64:
            return float(value)  # JSON's readers take what exceeds 64 bits with sign as a float
        break
    if _FLOAT.fullmatch(digits) and math.isfinite(number := float(digits)):
        return number
    return text


def resolve_tagged(tag: str, text: str) -> Scalar:
    """A scalar with an explicit tag; a tag of one's own leaves the text.

    Raises:
        ValueError: when the text is none of that type.
    """
    kind = tag.removeprefix(TAG)
    if kind == "binary":
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"!!binary holds no base64 of UTF-8 text: {error}") from error
    if kind not in {"int", "float", "bool", "null"}:
        return text
    value = resolve_plain(text)
    right = {
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }
    if not right[kind]:
        raise ValueError(f"{text!r} is no !!{kind}")
    return value


def key_text(value: Scalar) -> str:
    """A mapping's key, as JSON has it: a string.

    Raises:
        ValueError: for null, which is no key.
    """
    if value is None:
        raise ValueError("null is no key")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)
