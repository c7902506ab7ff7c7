"""Which URLs, hosts and addresses a user may make this machine connect to. Pure: nothing here opens a socket.

The rule is default-deny twice: a URL must have one plain spelling (anything two parsers could read differently is
refused, never normalised), and an address must be ordinary public unicast. Internet Protocol version 6 is refused
outside 2000::/3, so a range that somebody defines tomorrow is refused today.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

__all__ = ["MAX_URL_CHARS", "REFUSED", "AddressPolicy", "Destination", "DestinationError", "parse_destination"]

#: Said for every refused name or address and for every name without an address: whoever probes an internal network
#: through us cannot tell "exists but is private" from "does not exist".
REFUSED = "The host of this URL does not exist, or is not one that may be fetched from here."

MAX_URL_CHARS = 8192

# IANA IPv4 special-purpose registry, plus multicast, the retired class E, and the one cloud metadata service that
# lives on a public address (Azure's 168.63.129.16).
_PRIVATE_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
# Inside 2000::/3: protocol assignments with Teredo and ORCHID, documentation, 6to4, AS112.
_PRIVATE_V6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# How a network that has only version 6 reaches version 4 hosts (RFC 6052): judged by the address inside.
_NAT64 = IPv6Network("64:ff9b::/96")

_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?:[/?#].*)?")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5})?)?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# The WHATWG rule: a host whose last label is a number is an address, in whatever odd notation.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_SUFFIXES = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "onion")


class DestinationError(ValueError):
    """A URL that may not be fetched. The text is safe for the client: see `REFUSED`."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL whose spelling, scheme, port and host are permitted; the addresses of its host are still to be judged.

    Attributes:
        host: in lower case, an address in its shortest form.
        literal: the host is an address: there is nothing to look up.
    """

    url: URL
    host: str
    literal: bool


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What the operator permits beyond the public internet.

    Attributes:
        ports: the only ports ever connected to.
        hosts: names (or literal addresses) in lower case that may resolve to anything, private addresses included.
        networks: address ranges that are permitted for every name.
    """

    ports: frozenset[int] = frozenset({80, 443})
    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def allowing(cls, entries: Iterable[str], *, ports: Iterable[int] = (80, 443)) -> "AddressPolicy":
        """From a configured list of host names and CIDR ranges. `ValueError` names an entry that is neither."""
        hosts: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            address = _address(entry)
            if "/" in entry:
                networks.append(ip_network(entry))
            elif address is not None:
                hosts.add(address.compressed)
            elif _is_name(entry.lower()):
                hosts.add(entry.lower())
            else:
                raise ValueError(f"{entry!r} is neither a host name nor an address range like 10.1.0.0/16")
        return cls(ports=frozenset(ports), hosts=frozenset(hosts), networks=tuple(networks))

    def permits_host(self, host: str) -> bool:
        """Whether the name may be looked up, or the literal address connected to."""
        if host in self.hosts:
            return True
        if _address(host) is not None:
            return self.permits_address(host, host=host)
        local = any(host == suffix or host.endswith("." + suffix) for suffix in _LOCAL_SUFFIXES)
        return "." in host and not local

    def permits_address(self, text: str, *, host: str) -> bool:
        """Whether `host` may be reached at this address. False for text that is no address."""
        address = _address(text)
        if address is None:
            return False
        if host in self.hosts or any(address in network for network in self.networks):
            return True
        if isinstance(address, IPv6Address) and address in _NAT64:
            address = IPv4Address(int(address) & 0xFFFF_FFFF)
        if isinstance(address, IPv4Address):
            return not any(address in network for network in _PRIVATE_V4)
        return address in _UNICAST_V6 and not any(address in network for network in _PRIVATE_V6)


def parse_destination(text: str, policy: AddressPolicy) -> Destination:
    """Judge everything about a URL but the addresses of its host. Raises `DestinationError`."""
    if len(text) > MAX_URL_CHARS:
        raise DestinationError(f"The URL is longer than {MAX_URL_CHARS} characters.")
    if not text.isprintable() or " " in text or "\\" in text:
        raise DestinationError("The URL contains spaces, backslashes or characters that cannot be printed.")
    shape = _SHAPE.fullmatch(text)
    if shape is None or shape["scheme"].lower() not in ("http", "https"):
        raise DestinationError("The URL must start with http:// or https://.")
    if "@" in shape["authority"]:
        raise DestinationError("The URL must not contain a user name or password.")
    authority = _AUTHORITY.fullmatch(shape["authority"])
    if authority is None:
        raise DestinationError("The URL's host must be a plain ASCII name or address (write other scripts as xn--...).")
    host = _plain_host(authority["host"])
    port = int(authority["port"] or (443 if shape["scheme"].lower() == "https" else 80))
    if port not in policy.ports:
        raise DestinationError("The URL's port is not permitted.")
    if not policy.permits_host(host):
        raise DestinationError(REFUSED)
    return _agreed(text, host, port=port)


def _plain_host(written: str) -> str:
    if written.startswith("["):
        address = _address(written[1:-1])
        if isinstance(address, IPv6Address):
            return address.compressed
        raise DestinationError("The URL's host is not a valid address.")
    host = written.lower()
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        if isinstance(_address(host), IPv4Address):
            return host
        raise DestinationError("The URL's host is a number but not an address in plain dotted form.")
    if not _is_name(host):
        raise DestinationError("The URL's host is not a valid name.")
    return host


def _agreed(text: str, host: str, *, port: int) -> Destination:
    """The connection is made from yarl's reading of the URL, so it must be the reading that was checked."""
    try:
        # An ASCII URL goes out byte for byte: requoting would break signatures over it.
        url = URL(text, encoded=text.isascii())
    except ValueError as error:
        raise DestinationError("The URL cannot be parsed.") from error
    read = (url.raw_host or "").lower()
    address = _address(read)
    if (address.compressed if address is not None else read) != host or url.port != port:
        raise DestinationError("The URL cannot be parsed.")
    return Destination(url, host, literal=address is not None)


def _is_name(host: str) -> bool:
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Strict: leading zeros, short forms, hexadecimal and plain integers are no addresses."""
    try:
        return ip_address(text)
    except ValueError:
        return None
