"""A node on TCP, under asyncio."""

from syncfsm_adapters.asyncio.node import TcpNode

__all__ = ["TcpNode"]
