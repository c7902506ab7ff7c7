"""Who a request comes from and what they may do, worked out once when a key is loaded. Pure: no clock, no store."""

import ipaddress
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Self

from msgspec import Struct

from antiphon.protocol.faults import AccessFault
from antiphon.protocol.records import KeyId, KeyRecord, Tenant

__all__ = ["Grant", "Network", "Principal", "parse_networks"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: An IPv4 address inside IPv6, `::ffff:a.b.c.d`, is that IPv4 address: a listener on `::` sees clients that way.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class Principal(Struct, frozen=True):
    """The key behind a request.

    Attributes:
        models: patterns such as `gpt-*`; empty allows every model.
    """

    tenant: Tenant
    key_id: KeyId
    key_name: str
    models: tuple[str, ...]

    def may_use(self, model: str) -> bool:
        """Whether this key's list of models names it."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def allow_model(self, model: str, *, param: str = "model") -> None:
        """Return when this key may use the model; raise `AccessFault` (403 `model_access_denied`) when it may not."""
        if not self.may_use(model):
            raise AccessFault(
                "This API key may not use the requested model.",
                status=403,
                type="permission_error",
                code="model_access_denied",
                param=param,
            )


class Grant(Struct, frozen=True):
    """A key as it was loaded: the principal, and under which conditions it is one.

    Attributes:
        usable: neither disabled nor revoked when it was loaded.
        networks: where clients may come from; `None` for anywhere.
    """

    principal: Principal
    usable: bool
    expires_at: int | None
    networks: tuple[Network, ...] | None

    @classmethod
    def of(cls, record: KeyRecord) -> Self:
        """The grant of a stored key. Raises `ValueError` when its address list cannot be read."""
        return cls(
            principal=Principal(tenant=record.tenant, key_id=record.id, key_name=record.name, models=record.models),
            usable=not record.disabled and record.revoked_at is None,
            expires_at=record.expires_at,
            networks=parse_networks(record.addresses) if record.addresses else None,
        )

    def valid_at(self, now: int) -> bool:
        """Whether the key opens anything at this time (UTC seconds)."""
        return self.usable and (self.expires_at is None or now < self.expires_at)

    def admits(self, client_address: str) -> bool:
        """Whether a client at this address may use the key. An address that is none is admitted by no list."""
        if self.networks is None:
            return True
        try:
            address = ipaddress.ip_address(client_address)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


def parse_networks(addresses: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR networks as networks. Raises `ValueError` naming the one that is neither."""
    return tuple(_network(address) for address in addresses)


def _network(text: str) -> Network:
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = ipaddress.IPv4Address(int(network.network_address) & 0xFFFF_FFFF)
        return ipaddress.IPv4Network((inner, network.prefixlen - 96))
    return network
