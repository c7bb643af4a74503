"""What travels between two nodes, as pure functions and buffers: bytes in, messages out, and the other way round.

Two rules hold throughout.

* Every message has one encoding. What a peer sends is decoded, encoded again and compared, and blocks are cut into
  fragments in one way only; so two nodes never disagree about what was said, and no byte hides in a message.
* Nothing is buffered before its length is known to be within a limit of ``syncfsm.limits``.

``frames`` cuts a stream of bytes into frames. ``codec`` turns payloads into messages and blocks. ``handshake`` is the
first frame of each side. ``connection`` is all that follows: an ``Inbox`` and an ``Outbox`` for each connection,
which with the ``FrameReader`` are the only mutable objects. A peer's mistake is a ``Fault`` in the result and ends
the stream; it is never an exception.
"""
