"""When a row applies."""

from collections.abc import Mapping
from typing import Final

from addresses.messages import Here, Please
from addresses.types import Ask, Exchange, Limits, Tell
from syncfsm.machine import Guard
from syncfsm.protocol import View

LIMITS: Final = Limits()


def learnt_lately(exchange: Exchange, ask: Ask, view: View) -> bool:
    return exchange.learnt is not None and view.now < exchange.learnt + LIMITS.pause


def too_soon(exchange: Exchange, please: Please, view: View) -> bool:
    """It asks although our answer is not given yet, or is not old enough."""
    return exchange.owing or (exchange.told is not None and view.now < exchange.told + LIMITS.pause)


def not_asked(exchange: Exchange, tell: Tell, view: View) -> bool:
    return not exchange.owing


def too_many(exchange: Exchange, here: Here, view: View) -> bool:
    return len(here.addresses) > LIMITS.most


GUARDS: Final[Mapping[str, Guard]] = {guard.__name__: guard for guard in (learnt_lately, too_soon, not_asked, too_many)}
