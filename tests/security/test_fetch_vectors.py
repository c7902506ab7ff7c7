"""Hostile URLs and addresses: each line is one way somebody has got a server to call itself or its neighbours."""

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from antiphon.protocol.faults import RequestFault
from antiphon.upstream.addresses import REFUSED, AddressPolicy, DestinationError, parse_destination
from antiphon.upstream.fetch import FetchSettings, GuardedFetcher

REFUSED_URLS = [
    # other schemes, and no scheme
    "file:///etc/passwd",
    "ftp://example.com/a.png",
    "gopher://example.com:70/_x",
    "dict://127.0.0.1:11211/stat",
    "ldap://example.com/",
    "unix:///var/run/docker.sock",
    "jar:http://example.com/a!/b",
    "javascript:alert(1)",
    "data:image/png;base64,AAAA",
    "ws://example.com/",
    "//example.com/a.png",
    "/a.png",
    "example.com/a.png",
    "http:example.com/a.png",
    "http:/example.com/a.png",
    "http:///example.com/a.png",
    "http://",
    "https://?q",
    "",
    " http://example.com/",
    "view-source:http://example.com/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    # user names, and hosts hidden behind them
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com%40127.0.0.1/",
    "http://a:b@c:d@example.com/",
    # ports
    "http://example.com:22/",
    "http://example.com:6379/",
    "http://example.com:0/",
    "http://example.com:65616/",
    "http://example.com:99999/",
    "http://example.com:-80/",
    "http://example.com:+80/",
    "http://example.com:8 0/",
    "http://example.com:80:80/",
    "http://example.com:٨٠/",
    "https://example.com:8443/",
    # this machine and its neighbours, spelled plainly
    "http://localhost/",
    "http://LOCALHOST/",
    "http://anything.localhost/",
    "http://127.0.0.1/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.1.1/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.7/",
    "http://203.0.113.9/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    # cloud metadata
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://metadata/computeMetadata/v1/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v1/instance/",
    # other notations of the same addresses
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0000.0000.0001/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0x/",
    "http://00/",
    "http://127.0.0.01/",
    "http://127.0.0.1./",
    "http://127.000.000.001/",
    "http://1.2.3.4.5/",
    "http://256.1.1.1/",
    "http://example.0x7f/",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://127%2e0%2e0%2e1/",
    "http://%31%32%37.0.0.1/",
    "http://3232235777/",
    "http://0xA9FEA9FE/",
    "http://025177524776/",
    "http://169.254.43518/",
    # version 6
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::8.8.8.8]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[2606:4700::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]/",
    "http://[ff02::1]/",
    "http://[::1",
    "http://::1/",
    "http://[]/",
    "http://[1.2.3.4]/",
    "http://[v1.fe80::a]/",
    # names
    "http://intranet/",
    "http://printer.local/",
    "http://db.internal/",
    "http://router.lan/",
    "http://nas.home.arpa/",
    "http://localhost.localdomain/",
    "http://example.com./",
    "http://localhost./",
    "http://.example.com/",
    "http://example..com/",
    "http://-example.com/",
    "http://example-.com/",
    "http://exa mple.com/",
    "http://exämple.com/",
    "http://ⓔxample.com/",
    "http://loc\u00adalhost/",
    "http://local\u200bhost/",
    "http://exam\u2024ple.com/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 130 + "com/",
    "http://example.com\uff0f@127.0.0.1/",
    "http://example.com\uff03.evil.example.org/",
    "http://\u2113ocalhost/",
    # bytes that start a second line, or end the first one early
    "http://example.com/\r\nHost: internal",
    "http://example.com/a\nb",
    "http://example.com/a\tb",
    "http://example.com/\x00",
    "http://example.com\r\n.internal/",
    "http://exa\tmple.com/",
    "http://example.com/a b",
    "http://example.com/\u2028",
    "http://example.com/\ud800",
    "http://example.com/\x7f",
    "http:\\\\127.0.0.1\\",
    "http://example.com\\.internal/",
    "http://example.com;127.0.0.1/",
    "http://example.com,127.0.0.1/",
    "http://127.0.0.1,example.com/",
    "http://<example.com>/",
    "http://example.com|internal/",
    # length
    "http://example.com/" + "a" * 9000,
]

REFUSED_ADDRESSES = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "100.127.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "172.20.0.1",
    "192.168.0.10",
    "192.88.99.1",
    "198.19.255.255",
    "224.0.0.251",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:0a00:0001::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::5",
    "fe80::1%lo",
    "fd00:ec2::254",
    "ff05::2",
    "not an address",
    "",
]

ACCEPTED_URLS = [
    "http://example.com/a.png",
    "HTTPS://Example.COM/a.png",
    "https://example.com:443/a?b=c#d",
    "https://example.com:/a",
    "http://example.com?x=1",
    "https://xn--exmple-cua.com/a.png",
    "https://cdn_1.example.com/%2Fsigned%3D?X-Sig=a%2Bb",
    "https://example.com/фото.png",
    "http://8.8.8.8/a.png",
    "http://[2606:4700:4700::1111]/a.png",
    "http://[2606:4700:4700:0:0:0:0:1111]/a.png",
    "http://[64:ff9b::8.8.8.8]/a.png",
    "http://localhost.example.com/a.png",
    "http://1.example.com/a.png",
]


async def _nowhere(host: str) -> Sequence[str]:
    raise AssertionError(f"looked up {host}")


def _fault_of(url: str, *addresses: str) -> RequestFault:
    async def answer(_: str) -> Sequence[str]:
        return addresses

    fetcher = GuardedFetcher(FetchSettings(total_s=5), resolve=answer if addresses else _nowhere)
    with pytest.raises(RequestFault) as caught:
        asyncio.run(fetcher.fetch(url))
    return caught.value


@pytest.mark.parametrize("url", REFUSED_URLS, ids=lambda url: ascii(url)[:70])
def test_hostile_url_is_refused_before_its_name_is_looked_up(url: str) -> None:
    fault = _fault_of(url)

    assert (fault.status, fault.code) == (400, "invalid_image_url")


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_name_with_a_private_address_is_refused(address: str) -> None:
    fault = _fault_of("http://pictures.example.com/a.png", address)

    assert (fault.code, fault.message) == ("invalid_image_url", REFUSED)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_one_private_address_among_public_ones_is_enough_to_refuse(address: str) -> None:
    fault = _fault_of("http://pictures.example.com/a.png", "8.8.8.8", address, "2606:4700:4700::1111")

    assert fault.message == REFUSED


@pytest.mark.parametrize("url", ACCEPTED_URLS)
def test_ordinary_url_is_accepted(url: str) -> None:
    there = parse_destination(url, AddressPolicy())

    assert there.url.scheme in ("http", "https")


def test_unknown_name_and_private_name_cannot_be_told_apart() -> None:
    async def fails(_: str) -> Sequence[str]:
        raise OSError("no such host")

    async def empty(_: str) -> Sequence[str]:
        return []

    async def fault(fetcher: GuardedFetcher, url: str) -> tuple[str, str | None, str]:
        with pytest.raises(RequestFault) as caught:
            await fetcher.fetch(url)
        return caught.value.message, caught.value.code, caught.value.detail

    async def all_answers() -> list[tuple[str, str | None, str]]:
        url = "http://db.example.com/"
        unknown = await fault(GuardedFetcher(FetchSettings(), resolve=fails), url)
        silent = await fault(GuardedFetcher(FetchSettings(), resolve=empty), url)
        literal = await fault(GuardedFetcher(FetchSettings()), "http://10.0.0.1/")
        local = await fault(GuardedFetcher(FetchSettings()), "http://db.internal/")
        return [unknown, silent, literal, local]

    answers = asyncio.run(all_answers())

    assert set(answers) == {(REFUSED, "invalid_image_url", "")}
    assert _fault_of("http://db.example.com/", "10.0.0.1").message == REFUSED


@given(st.ip_addresses(v=4))
def test_no_address_that_python_calls_private_is_permitted(address: IPv4Address) -> None:
    permitted = AddressPolicy().permits_address(str(address), host="example.com")

    assert not (permitted and (address.is_private or address.is_multicast or address.is_reserved))


@given(st.ip_addresses(v=6) | st.ip_addresses(v=6, network="2000::/3"))
def test_no_version_6_address_that_is_special_is_permitted(address: IPv6Address) -> None:
    assume(address not in IPv6Network("64:ff9b::/96"))  # judged by the version 4 address inside
    permitted = AddressPolicy().permits_address(str(address), host="example.com")
    special = address.is_private or address.is_multicast or address.is_reserved or address.teredo or address.sixtofour

    assert not (permitted and special)


@given(st.ip_addresses(v=4))
def test_address_behind_nat64_is_judged_like_the_address_inside(address: IPv4Address) -> None:
    policy = AddressPolicy()
    outside = str(IPv6Address((0x64FF9B << 96) | int(address)))

    assert policy.permits_address(outside, host="a.b") == policy.permits_address(str(address), host="a.b")


@given(st.text(max_size=60) | st.from_regex(r"https?://[0-9a-fxX.:\[\]%@/\\-]{0,40}", fullmatch=True))
def test_any_text_is_either_refused_or_a_public_destination(text: str) -> None:
    try:
        there = parse_destination(text, AddressPolicy())
    except DestinationError:
        return
    assert there.url.port in (80, 443)
    assert (there.url.raw_host or "").isascii()
    assert not there.literal or AddressPolicy().permits_address(there.host, host=there.host)


def test_allow_list_opens_what_it_names_and_nothing_else() -> None:
    policy = AddressPolicy.allowing(["Intranet", "10.1.0.0/16", "::1", "files.corp.example.com"], ports=[80, 8080])

    assert parse_destination("http://intranet:8080/", policy).host == "intranet"
    assert parse_destination("http://10.1.2.3/", policy).literal
    assert parse_destination("http://[0:0::1]/", policy).host == "::1"
    assert policy.permits_address("192.168.1.1", host="files.corp.example.com")
    assert not policy.permits_address("192.168.1.1", host="other.example.com")
    assert not policy.permits_address("::ffff:10.1.2.3", host="other.example.com")
    for url in ("http://intranet2/", "http://10.2.0.1/", "http://x.intranet/", "https://intranet/"):
        with pytest.raises(DestinationError):
            parse_destination(url, policy)


@pytest.mark.parametrize("entry", ["", "a b", "10.0.0.1/8", "http://intranet", "10.0.0.0/99"])
def test_allow_list_entry_that_is_neither_name_nor_range_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        AddressPolicy.allowing([entry])
