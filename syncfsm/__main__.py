"""``python -m syncfsm``: the command line, which the adapters bring."""

import runpy

if __name__ == "__main__":
    runpy.run_module("syncfsm_adapters", run_name="__main__", alter_sys=True)
