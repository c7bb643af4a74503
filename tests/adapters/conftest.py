"""The carriers that the tests of real TCP run on."""

import pytest

from tests.adapters.tcp_nodes import CARRIERS, Carriers


@pytest.fixture(params=CARRIERS)
def carriers(request: pytest.FixtureRequest) -> Carriers:
    """What the nodes of a test run on: all on trio, all on asyncio, or one by one on the one and the other."""
    return Carriers(*CARRIERS[request.param])
