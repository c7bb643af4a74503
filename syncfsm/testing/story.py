"""Events, messages and outputs in a few words, for the text of a failure."""

from syncfsm.blocks import Header
from syncfsm.events import Event, Finalised, Produced, Received, Verdict
from syncfsm.node.registry import STANDARD
from syncfsm.outputs import Accepted, Disconnect, FinalMoved, HeadMoved, Misbehaviour, Output, Send, SendBlocks
from syncfsm.protocol import Message
from syncfsm.registry import Registry


def tell(thing: Event | Message | Output, registry: Registry = STANDARD) -> str:
    """One short line without a break. A block is its height and the begin of its id; a message, what its protocol in
    ``registry`` says."""
    match thing:
        case Received(peer, message):
            return f"{tell(message, registry)} from {peer}"
        case Send(peer, message):
            return f"{tell(message, registry)} to {peer}"
        case SendBlocks(peer, headers):
            return f"blocks {_names(headers)} to {peer}"
        case Produced(headers):
            return f"produced {_names(headers)}"
        case Finalised(point):
            return f"finalised {point}"
        case Verdict(id, valid):
            return f"verdict {id[:4].hex()} {'good' if valid else 'bad'}"
        case Accepted(headers):
            return f"accepted {_names(headers)}"
        case HeadMoved(_, new) | FinalMoved(_, new):
            return f"{'head' if isinstance(thing, HeadMoved) else 'final'} is {new}"
        case Disconnect(peer, reason):
            return f"disconnect {peer} ({reason!s})"
        case Misbehaviour(peer, fault):
            return f"misbehaviour of {peer} ({fault.rule})"
        case _:
            return _tell_message(thing, registry)


def _tell_message(thing: object, registry: Registry) -> str:
    if headers := registry.headers(thing):
        return f"blocks {_names(headers)}"
    if type(thing) in registry.kinds:
        return registry.words(thing)
    peer = getattr(thing, "peer", None)
    return type(thing).__name__.lower() + (f" {peer}" if peer else "")


def _names(headers: tuple[Header, ...]) -> str:
    if len(headers) <= 3:
        return " ".join(str(header.point) for header in headers)
    return f"{headers[0].point} .. {headers[-1].point}"
