"""TLA+ text: values as TLC reads and prints them, and the graph of states that it writes."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

Value = int | bool | str | tuple[Any, ...] | frozenset[Any]
"""A TLA+ value; a record is the frozen set of its (field, value) pairs, a function on 1..n a tuple."""


def record(**fields: Value) -> Value:
    return frozenset(fields.items())


def tla(value: Value) -> str:
    """The value as TLA+ text."""
    match value:
        case bool():
            return str(value).upper()
        case str():
            return f'"{value}"'
        case tuple():
            return f"<<{', '.join(map(tla, value))}>>"
        case frozenset() if value and all(isinstance(item, tuple) for item in value):
            return f"[{', '.join(f'{name} |-> {tla(given)}' for name, given in sorted(value))}]"
        case frozenset():
            return f"{{{', '.join(map(tla, sorted(value)))}}}"
    return str(value)


_TOKEN: Final = re.compile(r'"[^"]*"|-?\d+|\w+|<<|>>|\|->|[\[\]{},]')
_CLOSING: Final = {"<<": ">>", "{": "}", "[": "]"}


@cache
def read(text: str) -> Value:
    """The value of TLA+ text as TLC prints it: numbers, strings, booleans, tuples, sets and records of them."""
    tokens = iter(_TOKEN.findall(text))
    return _value(next(tokens), tokens)


def _value(token: str, tokens: Iterator[str]) -> Value:
    if token in _CLOSING:
        items: list[Any] = []
        while (inner := next(tokens)) != _CLOSING[token]:
            if inner == ",":
                continue
            if token == "[":
                next(tokens)  # |->
                items.append((inner, _value(next(tokens), tokens)))
            else:
                items.append(_value(inner, tokens))
        return tuple(items) if token == "<<" else frozenset(items)
    if token in ("TRUE", "FALSE"):
        return token == "TRUE"
    return token[1:-1] if token[0] == '"' else int(token)


# The graph --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Graph:
    """A graph of states: the values of some variables in each, and edges named by the row that fires first."""

    states: frozenset[tuple[Value, ...]]
    edges: frozenset[tuple[tuple[Value, ...], str, tuple[Value, ...]]]


_STATE: Final = re.compile(r'^(-?\d+) \[label="(.*)"(?:,style = filled)?\];?$')
_EDGE: Final = re.compile(r'^(-?\d+) -> (-?\d+) \[label="(\w+)"')


def dumped(path: Path, variables: Sequence[str]) -> Graph:
    """The graph that TLC wrote, with ``actionlabels``."""
    states: dict[str, tuple[Value, ...]] = {}
    edges: list[tuple[str, str, str]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if (edge := _EDGE.match(line)) is not None:
                edges.append((edge[1], edge[3], edge[2]))
            elif (state := _STATE.match(line)) is not None:
                states[state[1]] = _values(state[2], variables)
    return Graph(
        frozenset(states.values()),
        frozenset((states[source], label, states[target]) for source, label, target in edges),
    )


def _values(label: str, variables: Sequence[str]) -> tuple[Value, ...]:
    text = label.replace('\\"', '"').replace("\\n", "\n")
    values = dict(part.strip().split(" = ", 1) for part in text.split("/\\\\ ")[1:])
    return tuple(read(values[name]) for name in variables)
