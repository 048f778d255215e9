"""Addresses of what is rendered, such as `scene:street?seed=7&seconds=120` or `network:street?seed=3&days=168`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl


def read_query(
    source: str, kinds: Mapping[str, type], *, needed: Sequence[str], example: str, error: type[ValueError]
) -> dict[str, Any]:
    """The parameters that an address gives.

    Args:
        source: `scheme:street?name=value&…`.
        kinds: Type of each parameter by its name.
        needed: Parameters that must be given.
        example: A valid address, with the scheme, for messages.
        error: What is raised.

    Returns:
        Each parameter that is given, in its type.

    Raises:
        ValueError: As `error`: it names another rendering, or a parameter is missing, unknown, of another type or there twice.

    Example:
        >>> read_query("scene:street?seed=7", {"seed": int}, needed=["seed"], example="scene:street?seed=7", error=ValueError)
        {'seed': 7}
    """
    scheme, _, rest = source.partition(":")
    name, _, query = rest.partition("?")
    if name != "street":
        raise error(f"{source}: {scheme} is '{name}'; expected street; write {example}")
    given: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        said = f"{source}: {scheme} parameter '{key}' is"
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "leave it out"
            raise error(f"{said} unknown; expected one of {', '.join(kinds)}; {hint}")
        if key in given:
            raise error(f"{said} given 'twice'; expected once; remove one")
        try:
            given[key] = kinds[key](value)
        except ValueError:
            whole = " without decimals" if kinds[key] is int else ""
            raise error(f"{said} '{value}'; expected a number{whole}; correct it") from None
    for key in needed:
        if key not in given:
            raise error(f"{source}: {scheme} parameter '{key}' is 'missing'; expected {key}=...; add it")
    return given
