"""Adapters: what carries the core's decisions out. Each folder needs those named in its modules, and no other."""
