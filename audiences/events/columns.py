"""Which columns of a table are which: names in snake_case or camelCase, in any casing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from audiences.errors import InputError

EVENT_COLUMNS: Final = (
    "message_id",
    "type",
    "event",
    "user_id",
    "anonymous_id",
    "group_id",
    "profile_id",
    "timestamp",
    "received_at",
    "name",
    "properties",
    "traits",
    "context",
    "source_id",
)
PROFILE_COLUMNS: Final = ("profile_id", "traits", "external_ids", "account_ids")
ACCOUNT_COLUMNS: Final = ("account_id", "traits")
SUPPRESSED_COLUMNS: Final = ("type", "value")

_ALIASES: Final[Mapping[str, str]] = {"segment_id": "profile_id"}
SUPPRESSED_ALIASES: Final[Mapping[str, str]] = {"identifier_type": "type", "identifier_value": "value"}
ACCOUNT_ALIASES: Final[Mapping[str, str]] = {"group_id": "account_id"}


def known_columns(
    names: Iterable[str], known: Collection[str], *, where: str, aliases: Mapping[str, str] = _ALIASES
) -> dict[str, str]:
    """The columns of a table that this package reads: known name → name in the table, in the order of
    ``known``.

    ``message_id``, ``messageId`` and ``MESSAGEID`` are one name. Other columns are left alone. Raises
    ``InputError`` if two columns are the same known name.
    """
    spelled = {_bare(name): name for name in known} | {_bare(alias): name for alias, name in aliases.items()}
    found: dict[str, str] = {}
    for name in names:
        target = spelled.get(_bare(name))
        if target is None:
            continue
        if target in found:
            raise InputError(
                f"the columns '{found[target]}' and '{name}' are both {target}",
                where=where,
                hint="rename or remove one of them",
            )
        found[target] = name
    return {name: found[name] for name in known if name in found}


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def require(found: Mapping[str, str], *alternatives: str, where: str, what: str) -> None:
    """Raise ``InputError`` unless one of the alternatives is there."""
    if not any(name in found for name in alternatives):
        raise InputError(
            f"the {what} have no column {' or '.join(alternatives)}",
            where=where,
            hint="names are accepted in snake_case or camelCase, in any casing",
        )
