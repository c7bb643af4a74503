"""A table for people: Markdown and a diagram."""

from typing import Any

from syncfsm.machine.table import ALWAYS, Table


def markdown(table: Table[Any]) -> str:
    """The table as Markdown, one section a state, rows in the order in which they are tried."""
    lines: list[str] = []
    for state in table.states:
        lines += [f"### `{state}`", "", table.meanings[state], ""]
        lines += ["| on | if | do | then | why | from |", "|---|---|---|---|---|---|"]
        for rule in table.rules:
            if state in rule.source:
                events = ", ".join(f"`{event}`" for event in rule.event)
                target = f"`{rule.target}`" if rule.target and rule.target is not state else "stay"
                guard = "" if rule.guard == ALWAYS else rule.guard.replace("_", " ")
                action = rule.action.replace("_", " ")
                lines.append(f"| {events} | {guard} | {action} | {target} | {rule.doc} | {rule.ref} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def mermaid(table: Table[Any], guards: bool = True) -> str:
    """The changes of state as a Mermaid diagram; rows that stay are left to the tables, ends are drawn once."""
    edges: dict[tuple[str, str], list[str]] = {}
    ends: list[str] = []
    for rule, source, event in table.cases():
        guard = f" [{rule.guard.replace('_', ' ')}]" if guards and rule.guard != ALWAYS else ""
        if rule.target and rule.target is table.end and source is not table.end:
            _add(ends, f"{event}{guard}")
        elif rule.target and rule.target is not source:
            start = "[*]" if source is table.initial else str(source)
            _add(edges.setdefault((start, str(rule.target)), []), f"{event}{guard}")
    inner = [f"        {a} --> {b} : {', '.join(labels)}" for (a, b), labels in edges.items()]
    end = [f"    {table.name} --> [*] : {', '.join(ends)}"] if ends else []
    return "\n".join(["stateDiagram-v2", f"    state {table.name} {{", *inner, "    }", *end]) + "\n"


def _add(labels: list[str], label: str) -> None:
    if label not in labels:
        labels.append(label)
