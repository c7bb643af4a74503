"""What an operator may ask of a running node, and order it to do: the words of the control socket."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from syncfsm.errors import LocalError
from syncfsm.events import Verdict
from syncfsm_adapters.connect.off import named
from syncfsm_adapters.connect.shell import Shell
from syncfsm_adapters.look import blocks
from syncfsm_adapters.look.control import Answer
from syncfsm_adapters.look.report import Reporter

if TYPE_CHECKING:
    from syncfsm_adapters.da.truth import Truth


def orders(
    node: Shell, reporter: Reporter, clock: Callable[[], float], truth: "Truth | None" = None
) -> Mapping[str, Answer]:
    """By the word that asks for it. ``clock`` is that of the node's events, ``truth`` what follows a layer, if one
    is."""

    def peers_add(asked: Mapping[str, Any]) -> str:
        peer = _text(asked, "peer")
        node.add(peer)
        return f"{peer} is dialled from now on, until the node stops; put it into its settings, too"

    def peers_remove(asked: Mapping[str, Any]) -> str:
        address = _text(asked, "peer").rpartition("@")[2]
        node.remove(address)
        return f"{address} is not dialled any more"

    def peers_mode(asked: Mapping[str, Any]) -> str:
        peer, mode = _text(asked, "peer"), _text(asked, "mode")
        if mode not in ("off", "on"):
            raise LocalError(f"blocks to a peer are off or on, not {mode!r}: whether they go at once, the peer decides")
        node.switch(named(peer), mode == "off")
        return f"blocks to {peer} are {mode}"

    def peers_ban(asked: Mapping[str, Any]) -> str:
        seconds = asked.get("seconds")
        if seconds is not None and not isinstance(seconds, int | float):
            raise LocalError(f"a ban is for a number of seconds, not {seconds!r}")
        found = node.ban(_text(asked, "peer"), seconds, str(asked.get("why") or ""))
        return f"{found.who} is banned {f'for {seconds:g} s' if seconds is not None else 'until it is pardoned'}"

    def peers_pardon(asked: Mapping[str, Any]) -> str:
        node.pardon(_text(asked, "peer"))
        return f"there is nothing against {asked['peer']} any more"

    def block(valid: bool) -> Answer:
        def answer(asked: Mapping[str, Any]) -> str:
            text = _text(asked, "id")
            id = blocks.id_of(text)
            before = node.host.node.chain.head
            node.connector.feed(Verdict(id, valid, clock()))
            after = node.host.node.chain.head
            moved = f"; the head was {before.point} and is {after.point}" if after != before else ""
            unknown = "" if id in node.host.node.chain else "; it is not held, so look whether that is its whole id"
            return f"block {text} is {'no longer banned' if valid else 'banned'}{moved}{unknown}"

        return answer

    def block_show(asked: Mapping[str, Any]) -> dict[str, Any]:
        find = truth.batch if truth is not None else None
        return blocks.show(node.host.node.chain, _text(asked, "block"), find)

    def posting_resume(asked: Mapping[str, Any]) -> str:
        if truth is None:
            raise LocalError("this node follows no data-availability layer")
        return truth.resume()

    def mark(asked: Mapping[str, Any]) -> str:
        if truth is None:
            raise LocalError("this node follows no data-availability layer, so it has no mark")
        return truth.mark().decode()

    return {
        "status": lambda asked: reporter.report(),
        "peers": lambda asked: reporter.report()["peers"],
        "peers add": peers_add,
        "peers remove": peers_remove,
        "peers mode": peers_mode,
        "peers ban": peers_ban,
        "peers pardon": peers_pardon,
        "block show": block_show,
        "block ban": block(False),
        "block unban": block(True),
        "posting resume": posting_resume,
        "mark": mark,
    }


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise LocalError(f"the question lacks {name!r}")
    return value
