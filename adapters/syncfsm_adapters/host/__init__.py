"""Runs one node: carries out what it decides, in order. The same under every transport."""

from syncfsm_adapters.host.host import Carrier, Host, Tally

__all__ = ["Carrier", "Host", "Tally"]
