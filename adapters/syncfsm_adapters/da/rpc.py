"""JSON-RPC over HTTP, as nodes of DA layers speak it: a result, or how it failed. Never raises for what a node does."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import attrs
import msgspec

from syncfsm.truth.answers import Outcome, Refused, TooBig, Trouble, Unsure
from syncfsm_adapters.da.http import Failure, Target, post

ERROR_CHARS: Final = 300
"""How much of a node's error is passed on."""


class How(StrEnum):
    """How a call failed."""

    UNSENT = "unsent"
    LOST = "lost"
    """It was sent, and there is no answer that can be read."""
    STATUS = "status"
    ERROR = "error"


@attrs.frozen
class Failed:
    """A call that failed; ``detail`` is for people."""

    how: How
    detail: str
    status: int = 0

    def says(self, texts: Iterable[str]) -> bool:
        """Is it an error of the node's with one of these texts, in whatever case?"""
        detail = self.detail.lower()
        return self.how is How.ERROR and any(text.lower() in detail for text in texts)

    @property
    def trouble(self) -> Trouble:
        return Trouble(self.detail)

    def by_status(self) -> Outcome:
        """What became of a blob that was given, if HTTP failed. A gateway that got no answer does not know."""
        if self.status in (401, 403):
            return Refused(f"{self.detail}; check the token")
        if self.status == 413:
            return TooBig(0, self.detail)
        if self.status in (429, 503):
            return self.trouble
        return Unsure(self.detail) if self.status >= 500 else Refused(f"{self.detail}; check the address")


class _Error(msgspec.Struct):
    message: str


class _Reply(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class Rpc:
    """Asks one server. ``patience`` is how many seconds a question may take; a longer answer than ``answer_bytes`` is a
    failure."""

    def __init__(self, url: str, token: str, answer_bytes: int, patience: float) -> None:
        self.url, self._target = url, Target.parse(url)
        self._headers: Mapping[str, str] = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        self._answer_bytes, self._patience = answer_bytes, patience

    async def call(self, method: str, kind: Any, *params: Any, patience: float | None = None) -> Any:
        """The result, of this type, or ``Failed``."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        found = await post(
            self._target, msgspec.json.encode(call), self._headers, most=self._answer_bytes,
            connecting=self._patience, patience=patience or self._patience,
        )  # fmt: skip
        if isinstance(found, Failure):
            how = How.LOST if found.sent else How.UNSENT
            return Failed(how, f"{self.url} does not answer {method}: {found.detail}")
        return self._read(method, kind, found.status, found.body)

    def _read(self, method: str, kind: Any, status: int, body: bytes) -> Any:
        if status not in (200, 500):
            said = body[:ERROR_CHARS].decode(errors="replace")
            return Failed(How.STATUS, f"{self.url} answers {method} with HTTP {status}: {said}", status)
        try:
            reply = msgspec.json.decode(body, type=_Reply)
            if reply.error is not None:
                return Failed(How.ERROR, reply.error.message[:ERROR_CHARS])
            return msgspec.json.decode(reply.result, type=kind)
        except msgspec.MsgspecError as error:
            return Failed(How.LOST, f"{self.url} answers {method} with what can not be read: {error}")
