"""What can be asked about a world: properties. A promise is what the protocol says; its properties bear its name.

==============  ====================================================================================================
``Always``      holds in every state, of one component, several, or all
``Steps``       holds at every step of a component, if asked for with what other components are doing then
``Sometimes``   is reached; ``SometimesStep`` likewise for a step
``Settles``     when the environment stops, every run is finite; the longest one is the bound
``Ends``        holds in every state in which only the environment could go on
==============  ====================================================================================================

All are exact. ``view`` reduces a local state to what the property looks at: it is asked about distinct combinations of
views only, so a small view makes a property of the whole state cheap. ``sentence`` is the promise.
"""

from collections.abc import Callable
from typing import Any

import attrs

from syncfsm.check.world import Moment


def whole(local: Any) -> Any:
    """The view that leaves nothing out."""
    return local


@attrs.frozen
class Always:
    """``holds(*views)``, one view for each component in ``over``, in every state."""

    name: str
    sentence: str
    over: tuple[str, ...]
    holds: Callable[..., bool]
    view: Callable[[Any], Any] = whole


@attrs.frozen
class Ends(Always):
    """The same, in the states in which no protocol action is possible."""


@attrs.frozen
class Sometimes(Always):
    """The same, in one state at least."""


@attrs.frozen
class Steps:
    """``holds(moment, *views)`` at every step of the components ``over``.

    ``when`` picks the moments that matter. ``beside`` names other components whose views, as they are at that moment,
    the property wants to see.
    """

    name: str
    sentence: str
    over: tuple[str, ...]
    holds: Callable[..., bool]
    when: Callable[[Moment], bool] = lambda moment: True
    beside: tuple[str, ...] = ()
    view: Callable[[Any], Any] = whole


@attrs.frozen
class SometimesStep:
    """``holds(moment)`` at one step of the components ``over`` at least."""

    name: str
    sentence: str
    over: tuple[str, ...]
    holds: Callable[[Moment], bool]


@attrs.frozen
class Settles:
    """When the environment stops, every run of protocol actions is finite. The longest one is the bound."""

    name: str
    sentence: str


Property = Always | Ends | Sometimes | Steps | SometimesStep | Settles
