"""What a node is told: flags, or a TOML file with the same names; flags win."""

import tomllib
from pathlib import Path
from typing import Any, Final, Self

import attrs

from syncfsm.errors import LocalError
from syncfsm.limits import CHAIN_ID_BYTES, Limits, Strategy
from syncfsm.truth.limits import TruthLimits
from syncfsm_adapters.command.layer import check_layer
from syncfsm_adapters.connect.backoff import parse_address
from syncfsm_adapters.connect.off import Off, named
from syncfsm_adapters.connect.target import parse_peer
from syncfsm_adapters.look.reach import check_reach
from syncfsm_adapters.secure import parse_id

LONGEST_NAME: Final = 64
"""Bytes of the name that a node has in its journal."""


@attrs.frozen(kw_only=True)
class Settings:
    """One node.

    ``name`` is for its journal; peers know it by the public half of the key in the file ``node_key``, which stands
    beside the store if it is not given. ``peers`` are addresses, or ``id@address``; ``allow`` has the ids of those that
    it talks to, all if there are none; ``plain`` leaves TLS out. ``key`` makes it a sequencer; a full node needs the
    sequencer's ``public_key`` instead. ``guard`` is the folder in which a sequencer keeps what it signed last, beside
    the key if it is not given; ``sign_anew`` names what it is to forget. ``off`` names peers that get no blocks from
    it, each by its address, or by its node id in hexadecimal digits; ``sentries`` have ids of nodes to whom a gate is
    kept. ``da`` is the address of the data-availability layer that decides what is confirmed and final; without one,
    what is older than ``final_after`` blocks is called final. At ``http`` it can be looked at, by others than this
    machine only under the names of ``http_open``."""

    name: str
    chain: str = "demo"
    store: str
    node_key: str | None = None
    listen: str | None = None
    peers: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    plain: bool = False
    off: tuple[str, ...] = ()
    sentries: tuple[str, ...] = ()
    key: str | None = None
    guard: str | None = None
    sign_anew: str | None = None
    public_key: str | None = None
    interval: float = 0.2
    payloads: str | None = None
    payload_bytes: int = 1024
    blocks: int | None = None
    final_after: int = 150
    da: str | None = None
    da_namespace: str | None = None
    da_token: str | None = None
    da_key: str | None = None
    da_beacon: str | None = None
    da_ceiling: float | None = None
    da_tag: str | None = None
    da_gas_price: float | None = None
    da_max_gas_price: float | None = None
    da_gas_limit: int | None = None
    da_priority: int | None = None
    da_key_name: str | None = None
    da_signer: str | None = None
    da_fee_granter: str | None = None
    da_start: int = 1
    mark: str | None = None
    da_finality: int = 0
    batch_seconds: float = 30.0
    unconfirmed: int = TruthLimits().unconfirmed
    strategy: str = Strategy.LOCATOR.value
    retention: int = Limits().retention
    keepalive: float = Limits().keepalive
    silence: float = Limits().silence
    gates: int = Limits().gates
    links: int = Limits().links
    control: str | None = None
    http: str | None = None
    http_open: tuple[str, ...] = ()
    log: str | None = None

    @classmethod
    def read(cls, config: str | None, flags: dict[str, Any]) -> Self:
        """Settings from a TOML file and from flags that are not ``None``. ``LocalError`` says which one is wrong."""
        given = _toml(Path(config)) if config is not None else {}
        given |= {name: value for name, value in flags.items() if value is not None}
        known = {field.name: field for field in attrs.fields(cls)}
        for name in given:
            if name not in known and name != "peer":
                raise LocalError(f"unknown setting {name!r}; known are {', '.join(sorted(known))}")
        missing = [n for n, field in known.items() if field.default is attrs.NOTHING and n not in given]
        if missing:
            raise LocalError(f"missing: {', '.join(missing)}; give --{missing[0]} or set it in the file of --config")
        if "peer" in given:  # the flag is --peer, once for each
            given["peers"] = given.pop("peer")
        for name in ("peers", "allow", "off", "sentries", "http_open"):
            several = given.get(name, ())
            given[name] = (several,) if isinstance(several, str) else tuple(several)
        settings = cls(**given)
        settings._check()
        return settings

    def _check(self) -> None:
        for name, value, longest in (("name", self.name, LONGEST_NAME), ("chain", self.chain, CHAIN_ID_BYTES)):
            if not isinstance(value, str) or not 1 <= len(value.encode()) <= longest:
                raise LocalError(f"{name} must be 1 to {longest} bytes of text, not {value!r}")
        for name in ("interval", "keepalive", "silence", "batch_seconds"):
            if not isinstance(getattr(self, name), int | float) or getattr(self, name) <= 0:
                raise LocalError(f"{name} is a number of seconds above 0, not {getattr(self, name)!r}")
        for name, what in (("gates", "peers"), ("links", "peers"), ("unconfirmed", "blocks")):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise LocalError(f"{name} is a number of {what}, 1 or more, not {value!r}")
        if self.silence <= self.keepalive:
            raise LocalError(f"silence ({self.silence} s) must be longer than keepalive ({self.keepalive} s)")
        if (self.key is None) == (self.public_key is None):
            raise LocalError("give --key FILE to be the sequencer, or --public-key HEX to follow one; not both")
        self._check_peers()  # said before the store is made
        check_layer(self)
        check_reach(self.http, self.http_open)
        if self.strategy not in list(Strategy):
            raise LocalError(f"strategy is one of {', '.join(Strategy)}, not {self.strategy!r}")
        if self.key is None and (self.payloads is not None or self.blocks is not None):
            raise LocalError("only a sequencer makes blocks: --payloads and --blocks go with --key")
        if self.key is None and (self.guard is not None or self.sign_anew is not None):
            raise LocalError("only a sequencer signs: --guard and --sign-anew go with --key")

    def _check_peers(self) -> None:
        if self.listen is not None:
            parse_address(self.listen)
        if not isinstance(self.plain, bool):
            raise LocalError(f"plain is true or false, not {self.plain!r}")
        peers = [parse_peer(peer) for peer in self.peers]
        for _, address in peers:
            parse_address(address)
        Off(named(each) for each in self.off).check([address for _, address in peers])
        for node_id in (*self.allow, *self.sentries):
            parse_id(node_id)
        if self.plain and (self.allow or self.sentries or any(expected for expected, _ in peers)):
            raise LocalError(
                "without TLS nobody proves an id: leave out --plain, or else --allow, --sentry and the ids in front of "
                "the addresses of --peer"
            )

    @property
    def allowed(self) -> frozenset[bytes] | None:
        """The ids of those that the node talks to; ``None`` for all."""
        return frozenset(map(parse_id, self.allow)) if self.allow else None

    @property
    def sentry_ids(self) -> frozenset[bytes]:
        """The ids of those to whom a gate is kept."""
        return frozenset(map(parse_id, self.sentries))

    @property
    def limits(self) -> Limits:
        return Limits(
            retention=self.retention, keepalive=self.keepalive, silence=self.silence, gates=self.gates, links=self.links
        )  # fmt: skip


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LocalError(f"cannot read the settings in {path}: {error}; it must be a TOML file") from error
