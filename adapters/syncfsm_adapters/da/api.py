"""The embedded layer behind Celestia's API: the methods of ``blob`` and ``header`` that a rollup needs, with the
answers and the errors of a real node.

Proofs and the data square are not there: who asks this layer trusts it, as it runs on the same machine.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from syncfsm.errors import LocalError
from syncfsm_adapters.da.embedded import Embedded, Full
from syncfsm_adapters.da.ledger import Blob, Block
from syncfsm_adapters.da.shares import NAMESPACE_BYTES, commitment

APPLICATION, NO_METHOD, BAD_PARAMS, NO_REQUEST, NO_JSON = 1, -32601, -32602, -32600, -32700
SPACES: Final = 64
"""Most namespaces in one question."""
PARAMS: Final = 8
PROPOSER: Final = {
    "address": "00" * 20, "pub_key": {"type": "tendermint/PubKeyEd25519", "value": bytes(32)}, "voting_power": "1",
    "proposer_priority": "0",
}  # fmt: skip
"""Clients want one: nobody."""


class RpcError(Exception):
    """An error that is the answer. ``code`` is 1 for what a method says itself."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Request(msgspec.Struct):
    """A call of JSON-RPC 2.0."""

    method: str
    params: list[Any] = []
    id: int | str | None = None
    jsonrpc: str = "2.0"


class Given(msgspec.Struct):
    """A blob as a client gives it. What is not said follows from the rest."""

    namespace: bytes
    data: bytes
    share_version: int = 0
    commitment: bytes | None = None
    signer: bytes | None = None
    index: int | None = None


class Api:
    """Answers requests. ``control`` lets them take blocks back, prune, and put the layer out."""

    def __init__(self, layer: Embedded, chain: str, control: bool = False) -> None:
        self._layer, self._chain = layer, chain
        self._methods: dict[str, Callable[..., Awaitable[Any]]] = {
            "blob.Submit": self._submit, "blob.Get": self._get, "blob.GetAll": self._get_all,
            "blob.Included": self._included, "header.LocalHead": self._head, "header.NetworkHead": self._head,
            "header.GetByHeight": self._by_height, "header.WaitForHeight": self._wait,
        }  # fmt: skip
        if control:
            self._methods |= {"local.Reorganise": self._reorganise, "local.Prune": self._prune, "local.Out": self._out}

    async def answer(self, body: bytes) -> tuple[int, bytes]:
        """The HTTP status and the body for a request's body. A real node answers an error with 500."""
        request = Request("")
        try:
            request = self._request(body)
            result = {"jsonrpc": "2.0", "result": await self._call(request), "id": request.id}
            return 200, msgspec.json.encode(result)
        except RpcError as error:
            wrong = {"jsonrpc": "2.0", "error": {"code": error.code, "message": str(error)}, "id": request.id}
            return 500, msgspec.json.encode(wrong)

    def _request(self, body: bytes) -> Request:
        try:
            return msgspec.json.decode(body, type=Request)
        except msgspec.ValidationError as error:
            raise RpcError(NO_REQUEST, f"no JSON-RPC request: {error}") from None
        except msgspec.DecodeError as error:
            raise RpcError(NO_JSON, f"no JSON: {error}") from None

    async def _call(self, request: Request) -> Any:
        method = self._methods.get(request.method)
        if method is None:
            raise RpcError(NO_METHOD, f"method '{request.method}' not found")
        try:
            return await method(*request.params[:PARAMS])
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise RpcError(BAD_PARAMS, f"invalid params for '{request.method}': {error}") from None
        except LocalError as error:
            raise RpcError(APPLICATION, str(error)) from None

    # blob -----------------------------------------------------------------------------------------------------------

    async def _submit(self, blobs: Any, options: Any = None) -> int:
        """Ends when all are in a block; the height of the last one."""
        given = msgspec.convert(blobs, list[Given])
        if not given:
            raise RpcError(APPLICATION, "state: no blobs provided")
        if len(given) > 1:
            raise RpcError(APPLICATION, "this layer takes one blob a transaction")
        blob, most = given[0], self._layer.ledger.options.blob_bytes
        space = _space(blob.namespace)
        if not blob.data:
            raise RpcError(APPLICATION, "blob: empty data")
        if blob.share_version != 0:
            raise RpcError(APPLICATION, f"share version {blob.share_version} not supported")
        if len(blob.data) > most:
            raise RpcError(APPLICATION, f"blob size {len(blob.data)} exceeds maximum {most}: total blob size too large")
        if blob.commitment and blob.commitment != commitment(space, blob.data):
            raise RpcError(APPLICATION, "blob: invalid commitment")
        if self._layer.ledger.holds(space, blob.data):
            raise RpcError(APPLICATION, "tx already in mempool")
        found = await self._layer.include(space, blob.data)
        if isinstance(found, Full):
            raise RpcError(APPLICATION, f"mempool is full: {found.value}")
        return found

    async def _get(self, height: int, space: str, proof: str) -> Mapping[str, Any]:
        wanted = _bytes(proof)
        for blob in self._found(height, [space]):
            if blob.proof == wanted:
                return _blob(blob)
        raise RpcError(APPLICATION, "blob: not found")

    async def _get_all(self, height: int, spaces: list[str]) -> list[Mapping[str, Any]] | None:
        return [_blob(blob) for blob in self._found(height, spaces)] or None

    async def _included(self, height: int, space: str, proof: Any, wanted: str) -> bool:
        return any(blob.proof == _bytes(wanted) for blob in self._found(height, [space]))

    def space(self, params: list[Any]) -> bytes:
        """The namespace that a subscription is for. ``RpcError`` if that is none."""
        if len(params) != 1 or not isinstance(params[0], str):
            raise RpcError(BAD_PARAMS, "invalid params for 'blob.Subscribe': it takes one namespace")
        return _space(_bytes(params[0]))

    def blobs(self, height: int, space: bytes) -> list[Mapping[str, Any]] | None:
        """What a subscription brings at this height."""
        return [_blob(blob) for blob in self._layer.ledger.blobs(height, [space])] or None

    def _found(self, height: int, spaces: Sequence[str]) -> list[Blob]:
        self._block(height)
        if not 0 < len(spaces) <= SPACES:
            raise RpcError(APPLICATION, f"ask for 1 to {SPACES} namespaces")
        return self._layer.ledger.blobs(height, [_space(_bytes(space)) for space in spaces])

    # header ---------------------------------------------------------------------------------------------------------

    async def _head(self) -> Mapping[str, Any]:
        return self._header(self._layer.ledger.head)

    async def _by_height(self, height: int) -> Mapping[str, Any]:
        """As at a real node, the next one is waited for."""
        if height == self._layer.ledger.head.height + 1:
            await self._reach(height)
        return self._header(self._block(height))

    async def _wait(self, height: int) -> Mapping[str, Any]:
        return self._header(await self._reach(height))

    async def _reach(self, height: int) -> Block:
        found = await self._layer.reach(_height(height))
        if found is None:
            raise RpcError(APPLICATION, Full.WAITERS.value)
        return found

    def _block(self, height: int) -> Block:
        ledger, height = self._layer.ledger, _height(height)
        head, oldest = ledger.head.height, ledger.oldest
        if height > head:
            raise RpcError(
                APPLICATION,
                f"header: given height is from the future: networkHeight: {head}, requestedHeight: {height}",
            )
        found = ledger.block(height)
        if found is None:
            raise RpcError(APPLICATION, f"requested header ({height}) is below Tail ({oldest})")
        return found

    def _header(self, block: Block) -> Mapping[str, Any]:
        """What a client finds in a node's header; what is not kept here is empty, or zero."""
        made = datetime.fromtimestamp(block.made, UTC).isoformat().replace("+00:00", "Z")
        parts = {"total": 1, "hash": "00" * 32}
        empty = dict.fromkeys(
            ("last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash",
             "last_results_hash", "evidence_hash"), "00" * 32,
        )  # fmt: skip
        id = block.id.hex().upper()
        return {
            "header": {
                "version": {"block": "11", "app": "6"}, "chain_id": self._chain, "height": str(block.height),
                "time": made, "last_block_id": {"hash": block.parent.hex().upper(), "parts": parts}, **empty,
                "proposer_address": PROPOSER["address"],
            },
            "validator_set": {"validators": [PROPOSER], "proposer": PROPOSER},
            "commit": {
                "height": str(block.height), "round": 0, "block_id": {"hash": id, "parts": parts}, "signatures": [],
            },
            "dah": {"row_roots": [], "column_roots": []},
        }  # fmt: skip

    # local: for stories and tests -----------------------------------------------------------------------------------

    async def _reorganise(self, height: int, keep: bool = True) -> None:
        await self._layer.reorganise(_height(height), bool(keep))

    async def _prune(self, oldest: int) -> None:
        self._layer.ledger.prune(_height(oldest))

    async def _out(self, out: bool) -> None:
        self._layer.out = bool(out)


def _height(given: object) -> int:
    if not isinstance(given, int) or not 0 < given < 2**63:
        raise RpcError(APPLICATION, "height is equal to 0" if given == 0 else f"no height: {given!r}")
    return given


def _space(given: bytes) -> bytes:
    if len(given) != NAMESPACE_BYTES:
        raise RpcError(APPLICATION, f"a namespace has {NAMESPACE_BYTES} bytes, not {len(given)}")
    return given


def _bytes(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, TypeError) as error:
        raise RpcError(BAD_PARAMS, f"no base64: {error}") from None


def _blob(blob: Blob) -> Mapping[str, Any]:
    return {
        "namespace": blob.space, "data": blob.data, "share_version": 0, "commitment": blob.proof, "signer": None,
        "index": blob.place,
    }  # fmt: skip
