"""``syncfsm``, and ``python -m syncfsm_adapters`` wherever scripts are not installed: the command line. Ctrl-C ends it
with one line whenever it comes, while it is being loaded too."""

import sys
from typing import Final

INTERRUPTED: Final = 130
"""What a shell takes for the end of a program by Ctrl-C."""


def main() -> int:
    """Run the command that the arguments of this process name; its exit code."""
    try:
        from syncfsm_adapters.command import cli  # here, as it takes a while

        return cli.main()
    except KeyboardInterrupt:
        print("syncfsm: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
