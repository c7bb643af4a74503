"""The carriers that the tests of real TCP run on."""

import pytest

from tests.adapters.tcp_nodes import CARRIERS, Carriers


def _named(param: tuple[str, bool]) -> str:
    name, secure = param
    return f"{name}, TLS" if secure else name


@pytest.fixture(params=CARRIERS)
def carriers(request: pytest.FixtureRequest) -> Carriers:
    """What the nodes of a test run on: all on trio, all on asyncio, or one by one on the one and the other."""
    return Carriers(*CARRIERS[request.param])


@pytest.fixture(params=[(name, secure) for secure in (False, True) for name in CARRIERS], ids=_named)
def carriers_and_tls(request: pytest.FixtureRequest) -> Carriers:
    """The same, without TLS and with it."""
    name, secure = request.param
    return Carriers(*CARRIERS[name], secure=secure)
