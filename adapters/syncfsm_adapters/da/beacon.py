"""A beacon node of Ethereum: where blobs are kept, for some weeks. Over HTTP, on trio and on asyncio.

What it gives is taken only if it is what the transaction names. It knows blocks by slots, which follow from their
times.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from syncfsm_adapters.da import kzg
from syncfsm_adapters.da.http import Failure, Target, get
from syncfsm_adapters.da.rpc import ERROR_CHARS, Failed, How

ANSWER_BYTES: Final = 64 * 1024 * 1024
ABSENT: Final = (400, 404)
"""How a beacon node says that it has not what it is asked for."""


class _Genesis(msgspec.Struct):
    genesis_time: str


class _Spec(msgspec.Struct):
    seconds_per_slot: str = msgspec.field(name="SECONDS_PER_SLOT")


@attrs.frozen
class _Clock:
    """When which slot was."""

    genesis: int
    seconds: int

    def slot(self, time: int) -> int:
        return (time - self.genesis) // self.seconds


class Beacon:
    """A beacon node behind this ``url``. ``patience`` is how many seconds a question may take."""

    def __init__(
        self, url: str, *, token: str = "", answer_bytes: int = ANSWER_BYTES, patience: float = 10.0
    ) -> None:  # fmt: skip
        self.url, self._target = url.rstrip("/"), Target.parse(url.rstrip("/"))
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._answer_bytes, self._patience = answer_bytes, patience
        self._clock: _Clock | None = None
        self._slots_are_heights = False

    async def blobs(self, height: int, time: int, hashes: Sequence[str]) -> Mapping[str, bytes] | Failed:
        """Those of these blobs that are there, by their versioned hashes, for the block of this height and time."""
        slot = await self._slot(height, time)
        if isinstance(slot, Failed):
            return slot
        blobs = dict[str, bytes]()
        for name in dict.fromkeys(hashes):  # one at a time: nodes differ in how they read a list
            found = await self._get(f"/eth/v1/beacon/blobs/{slot}?versioned_hashes={name}", list[str])
            if isinstance(found, Failed) and found.status not in ABSENT:
                return found
            if isinstance(found, Failed) or not found:
                return blobs
            try:
                blob = bytes.fromhex(found[0].removeprefix("0x"))
                same = (await kzg.hashes([blob]))[0].hex() == name.removeprefix("0x").lower()
            except (ValueError, kzg.KzgError) as error:
                return Failed(How.LOST, f"{self.url} gives a blob of block {height} that can not be read: {error}")
            if not same:
                return Failed(How.LOST, f"{self.url} gives a blob of block {height} that is not what its hash names")
            blobs[name] = blob
        return blobs

    async def _slot(self, height: int, time: int) -> int | Failed:
        """The slot of a block. A chain for tests, which says nothing of slots, has them by height."""
        if self._clock is None and not self._slots_are_heights:
            spec = await self._get("/eth/v1/config/spec", _Spec)
            if isinstance(spec, Failed):
                if spec.status != 404:
                    return spec
                self._slots_are_heights = True
                return height
            genesis = await self._get("/eth/v1/beacon/genesis", _Genesis)
            if isinstance(genesis, Failed):
                return genesis
            try:
                self._clock = _Clock(int(genesis.genesis_time), max(1, int(spec.seconds_per_slot)))
            except ValueError as error:
                return Failed(How.LOST, f"{self.url} says of its slots what can not be read: {error}")
        return self._clock.slot(time) if self._clock is not None else height

    async def _get(self, path: str, kind: Any) -> Any:
        """The ``data`` of what is there, of this type, or ``Failed``."""
        target = attrs.evolve(self._target, path=self._target.path.rstrip("/") + path)
        found = await get(
            target, self._headers, most=self._answer_bytes, connecting=self._patience, patience=self._patience
        )  # fmt: skip
        if isinstance(found, Failure):
            return Failed(How.LOST, f"{self.url} does not answer: {found.detail}")
        if found.status != 200:
            said = found.body[:ERROR_CHARS].decode(errors="replace")
            return Failed(How.STATUS, f"{self.url} answers {path[:40]} with HTTP {found.status}: {said}", found.status)
        try:
            raw = msgspec.json.decode(found.body, type=dict[str, msgspec.Raw]).get("data", msgspec.Raw(b"null"))
            return msgspec.json.decode(raw, type=kind)
        except msgspec.MsgspecError as error:
            return Failed(How.LOST, f"{self.url} answers {path[:40]} with what can not be read: {error}")
