"""The outage story with real processes: one sequencer, many full nodes, one of which is lost and comes back."""
