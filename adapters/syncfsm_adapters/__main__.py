"""``python -m syncfsm_adapters``: the command line, wherever scripts are not installed."""

import sys

from syncfsm_adapters.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
