"""YAML files → nodes that know where they were written, and whatever is wrong with the YAML itself.

A file is composed once by PyYAML (by its C parser where it is there) and turned into small frozen nodes. Nothing
is ever constructed from tags. Plain scalars mean what YAML 1.1 and YAML 1.2 agree on: where they differ (``no``,
``010``, ``1:30``, ``1_000``) the scalar is refused, since an editor and this loader would read it differently.
Keys must be text and may be given once per mapping. Aliases and merge keys (``<<``) work, within a bound, so that
a small file can't grow into a huge tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import yaml

from audiences.definitions.plain_scalars import AmbiguousScalarError, ScalarValue, plain_value
from audiences.definitions.yaml_nodes import MAXIMUM_DEPTH, YamlEntry, YamlList, YamlMapping, YamlNode, YamlScalar
from audiences.errors import Location, Problem

MAXIMUM_EXPANDED_NODES: Final = 100_000
"""What the aliases of a file may expand to, in nodes; ten times the nodes written, if that is more."""

_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(_CORE + name for name in ("int", "float", "bool", "null", "timestamp", "value", "merge"))
_DEFINITION: Final = re.compile(r"[ \t]*(?:- +)?definition[ \t]*:")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final = yaml.resolver.Resolver()


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that was read: its text, its root (None: empty or not valid YAML) and what is wrong with it.

    ``problems`` with a root are local (a key given twice, an ambiguous scalar); ``valid`` is False where the
    text as a whole can't be read as YAML.
    """

    name: str
    text: str
    root: YamlNode | None
    problems: tuple[Problem, ...] = ()
    valid: bool = True


def read_yaml(content: bytes, name: str) -> YamlFile:
    """Read one file. Never raises for its content: what is wrong is in ``problems``."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        where = Location(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return _unreadable(name, "", where, "not UTF-8 text", "save the file as UTF-8")
    control = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if control is not None:
        before = text[: control.start()]
        where = Location(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return _unreadable(name, text, where, f"the control character U+{ord(control.group()):04X} can't be in YAML")
    if (deep := _too_deep(text)) is not None:
        where = Location(name, deep[0] + 1, deep[1] + 1)
        return _unreadable(name, text, where, f"nested more than {MAXIMUM_DEPTH} deep")
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        where, what, hint = _syntax_error(error, name, text)
        return _unreadable(name, text, where, what, hint)
    if root is None:
        return YamlFile(name, text, None)
    conversion = _Conversion(name)
    node = conversion.convert(root, depth=0)
    if conversion.too_large:
        where = Location(name, root.start_mark.line + 1, root.start_mark.column + 1)
        what = f"its aliases expand to more than {MAXIMUM_EXPANDED_NODES:,} values"
        return _unreadable(name, text, where, what)
    return YamlFile(name, text, node, tuple(sorted(conversion.problems, key=lambda problem: problem.where)))


def _unreadable(name: str, text: str, where: Location, what: str, hint: str = "") -> YamlFile:
    return YamlFile(name, text, None, (Problem(where, what, hint),), valid=False)


def _too_deep(text: str) -> tuple[int, int] | None:
    """Line and column where the nesting passes the limit, both from 0.

    Composing recurses in C: without this check, a hostile file would end the process.
    """
    longest_line = max(map(len, text.split("\n")))
    if text.count("[") + text.count("{") + 2 * longest_line < 2_000:
        return None  # can't be nested deeply enough to matter
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAXIMUM_DEPTH and event.start_mark is not None:
                    return event.start_mark.line, event.start_mark.column
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return None  # reported by the real read
    return None


def _syntax_error(error: yaml.MarkedYAMLError, name: str, text: str) -> tuple[Location, str, str]:
    """PyYAML's error as place, sentence and hint."""
    mark = error.problem_mark or error.context_mark
    where = Location(name, mark.line + 1, mark.column + 1) if mark else Location(name)
    problem, context = error.problem or "", error.context or ""
    character = text[mark.index : mark.index + 1] if mark else ""
    if "mapping values are not allowed" in problem:
        hint = "a text with ': ' in it needs quotes"
        if _DEFINITION.match(text, text.rfind("\n", 0, mark.index) + 1 if mark else 0):
            hint = "a definition with ': ' in it goes into quotes, or on lines of its own below definition: |"
        return where, "not valid YAML: ':' starts a value here", hint
    if "cannot start any token" in problem:
        if character == "\t":
            return where, "not valid YAML: a tab can't be used to indent", "indent with blanks"
        return where, f"not valid YAML: a plain text can't start with {character!r}", "put it in quotes"
    if "another document" in problem:
        return where, "a second YAML document starts here, a file holds one", "remove the '---'"
    if "undefined alias" in problem:
        return where, "the alias has no anchor before it", "an anchor is written &name"
    opened = error.context_mark
    if opened is not None and "quoted scalar" in context:
        begun = Location(name, opened.line + 1, opened.column + 1)
        return begun, "not valid YAML: this quote is never closed", f"add {text[opened.index]} where the text ends"
    if opened is not None and mark is not None and "did not find expected ',' or" in problem:
        bracket, closing = text[opened.index], problem[-2]
        if mark.line != opened.line:
            begun = Location(name, opened.line + 1, opened.column + 1)
            return begun, f"not valid YAML: this '{bracket}' is never closed", f"a '{closing}' is missing"
        return where, f"not valid YAML: a ',' or '{closing}' is missing before this", ""
    if mark is not None and "did not find expected" in problem:
        if text[: mark.index].rstrip(" ")[-1:] in ("'", '"'):
            hint = "put other quotes around the whole, or write it below a '|'"
            return where, "not valid YAML: nothing can follow a text in quotes", hint
        return where, "not valid YAML: this is indented unlike what it stands next to", "begin both in one column"
    what = ", ".join(part for part in (context, problem) if part)
    return where, f"not valid YAML: {what}", ""


class _Conversion:
    """Turns PyYAML's nodes into ours. Aliased nodes are converted once and counted as often as they occur."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.too_large = False
        self._done: dict[int, YamlNode] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def convert(self, node: yaml.Node, depth: int) -> YamlNode:
        known = self._done.get(id(node))
        if known is not None:
            return known
        where = Location(self.name, node.start_mark.line + 1, node.start_mark.column + 1)
        if id(node) in self._open:
            return self._refuse(where, "an alias inside the value that it stands for")
        if depth > MAXIMUM_DEPTH:
            return self._refuse(where, f"nested more than {MAXIMUM_DEPTH} deep")
        self._open.add(id(node))
        converted: YamlNode
        if isinstance(node, yaml.ScalarNode):
            converted = self._scalar(node, where)
            size = 1
        elif isinstance(node, yaml.SequenceNode):
            self._check_tag(node, "seq", where)
            items = tuple(self.convert(item, depth + 1) for item in node.value)
            size = 1 + sum(self._sizes.get(id(item), 1) for item in node.value)
            converted = YamlList(items, where, node.start_mark.index, node.end_mark.index)
        elif isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map", where)
            converted, size = self._mapping(node, where, depth)
        else:
            raise TypeError(f"PyYAML composes no {type(node).__name__}")
        self._open.discard(id(node))
        self._done[id(node)] = converted
        self._sizes[id(node)] = size
        if size > max(MAXIMUM_EXPANDED_NODES, 10 * len(self._done)):
            self.too_large = True
        return converted

    def _refuse(self, where: Location, what: str, hint: str = "") -> YamlScalar:
        self.problems.append(Problem(where, what, hint))
        return YamlScalar(None, where)

    def _check_tag(self, node: yaml.Node, name: str, where: Location) -> None:
        if node.tag not in (_CORE + name, "!"):
            self._refuse(where, f"tags such as {_short(node.tag)} are not accepted")

    def _scalar(self, node: yaml.ScalarNode, where: Location) -> YamlScalar:
        text, style, tag = node.value, node.style or "", node.tag
        if tag == _CORE + "str":
            explicit = not style and _implicit_tag(text) != tag
            is_text = bool(style) or explicit
        elif tag in _PLAIN_TAGS or tag == "!":
            is_text = tag == "!"
        else:
            return self._refuse(where, f"tags such as {_short(tag)} are not accepted")
        value: ScalarValue = text
        if not is_text:
            try:
                value = plain_value(text)
            except AmbiguousScalarError as error:
                return self._refuse(where, str(error), error.hint)
        return YamlScalar(value, where, text, style, node.start_mark.index, node.end_mark.index)

    def _mapping(self, node: yaml.MappingNode, where: Location, depth: int) -> tuple[YamlMapping, int]:
        entries: dict[str, YamlEntry] = {}
        merged: list[YamlEntry] = []
        size = 1
        for key_node, value_node in node.value:
            if key_node.tag == _CORE + "merge":
                merged.extend(self._merged(value_node, depth))
                size += self._sizes.get(id(value_node), 1)
                continue
            key = self._key(key_node)
            value = self.convert(value_node, depth + 1)
            size += 1 + self._sizes.get(id(value_node), 1)
            if key is None:
                continue
            first = entries.get(str(key.value))
            if first is not None:
                at = f"line {first.key.where.line}"
                if first.key.where.line == key.where.line:
                    at = f"column {first.key.where.column}"
                self._refuse(key.where, f"the key '{key.value}' is given twice, first at {at}")
                continue
            entries[str(key.value)] = YamlEntry(key, value)
        for entry in merged:
            entries.setdefault(entry.name, entry)
        mapping = YamlMapping(tuple(entries.values()), where, node.start_mark.index, node.end_mark.index)
        return mapping, size

    def _key(self, node: yaml.Node) -> YamlScalar | None:
        where = Location(self.name, node.start_mark.line + 1, node.start_mark.column + 1)
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(where, "a key must be text")
            return None
        if node.tag == _CORE + "str":
            text = node.value
            return YamlScalar(text, where, text, node.style or "", node.start_mark.index, node.end_mark.index)
        self._refuse(where, f"a key must be text, {node.value!r} is not", "put it in quotes")
        return None

    def _merged(self, node: yaml.Node, depth: int) -> list[YamlEntry]:
        """The entries that ``<<: *base`` or ``<<: [*a, *b]`` brings in; the first to give a key wins."""
        value = self.convert(node, depth + 1)
        sources = value.items if isinstance(value, YamlList) else (value,)
        entries: list[YamlEntry] = []
        for source in sources:
            if isinstance(source, YamlMapping):
                entries.extend(source.entries)
            else:
                self._refuse(source.where, "'<<' takes a mapping (or a list of mappings) to merge")
        return entries


def _implicit_tag(text: str) -> str:
    """The tag that YAML 1.1 gives to a plain scalar."""
    return str(_RESOLVER.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_CORE)}" if tag.startswith(_CORE) else tag
