"""What travels between two nodes, as pure functions and buffers: bytes in, messages out, and the other way round.

Two rules hold throughout.

* Every message has one encoding. What a peer sends is decoded, encoded again and compared, and blocks are cut into
  fragments in one way only; so two nodes never disagree about what was said, and no byte hides in a message.
* Nothing is buffered before its length is known to be within a limit of ``syncfsm.limits``, and no connection is
  decoded further in one turn than its budget allows.

``session`` has the one object that an adapter needs: a ``Session`` takes bytes and gives events, takes what the node
says and gives bytes, from the first greeting to the last bye. It is made of ``handshake`` (the first two frames of each
side), ``inbox`` and ``outbox`` (all that follows), ``codec`` (payloads and values) and ``frames``. A peer's mistake is
a ``Fault`` in the result; it is never an exception.
"""
