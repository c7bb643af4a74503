"""How long Hypothesis searches: settings to give to a test, or to ``run_state_machine_as_test``.

===========  ================================================================================================
``DEV``      100 runs of 30 acts, other ones each time, failures kept in the database
``CI``       the same size, the same runs each time, so that a change is to blame if a test fails
``NIGHTLY``  1000 runs of 50 acts, other ones each time, failures kept: this is where something new is found
===========  ================================================================================================
"""

from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings

COMMON: Final[dict[str, Any]] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    "print_blob": True,
    "phases": [phase for phase in Phase if phase is not Phase.explain],  # it explains little here, and costs much
}
DEV: Final = settings(max_examples=100, stateful_step_count=30, **COMMON)
CI: Final = settings(max_examples=100, stateful_step_count=30, derandomize=True, database=None, **COMMON)
NIGHTLY: Final = settings(max_examples=1000, stateful_step_count=50, **COMMON)
