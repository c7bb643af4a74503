"""A node on TCP, under trio."""

from syncfsm_adapters.tcp.node import TcpNode

__all__ = ["TcpNode"]
