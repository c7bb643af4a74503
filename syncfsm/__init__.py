"""syncfsm keeps the blocks of many nodes in step: pure state machines, exhaustively checked as they ship."""
