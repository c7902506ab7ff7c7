"""Domains as clients write them, and what they cover."""

import pytest

from antiphon.tools.web.domains import DomainFilter, domain_of


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("Example.com", "example.com"),
        ("https://example.com/", "example.com"),
        ("*.example.com", "example.com"),
        ("example.com/docs/", "example.com/docs"),
        ("exa mple.com", None),
        ("", None),
        ("a..b", None),
        ("example.com\n", "example.com"),
        ("exam$ple.com", None),
        ("München.de", "xn--mnchen-3ya.de"),
        ("münchen.de/läden", "xn--mnchen-3ya.de/läden"),
        ("ü" * 80 + ".de", None),
        ("site:x", None),
    ],
)
def test_domain_has_one_form(written: str, domain: str | None) -> None:
    assert domain_of(written) == domain


@pytest.mark.parametrize(
    ("url", "permitted"),
    [
        ("https://example.com/a", True),
        ("http://sub.EXAMPLE.com:8080/", True),
        ("https://notexample.com/", False),
        ("https://example.com.evil.org/", False),
        ("https://example.com@evil.org/", False),
        ("https://evil.org/?example.com", False),
        ("https://bad.example.com/x", False),
        ("ftp://example.com/", False),
        ("javascript:alert(1)//example.com", False),
        ("https://[::1", False),
        ("https://docs.org/guide/x", True),
        ("https://docs.org/guidelines", False),
    ],
)
def test_filter_covers_subdomains_and_paths_only(url: str, permitted: bool) -> None:
    domains = DomainFilter(("example.com", "docs.org/guide"), ("bad.example.com",))
    assert domains.permits(url) is permitted


def test_without_a_filter_every_web_address_will_do() -> None:
    assert DomainFilter().permits("https://anything.org/x")
    assert not DomainFilter().permits("file:///etc/passwd")
    assert not DomainFilter().permits("https://a.org/\nx")


@pytest.mark.parametrize("host", ["münchen.de", "MÜNCHEN.de", "xn--mnchen-3ya.de", "www.münchen.de"])
@pytest.mark.parametrize("written", ["münchen.de", "xn--mnchen-3ya.de"])
def test_a_name_in_another_script_is_the_same_name(written: str, host: str) -> None:
    domain = domain_of(written)
    assert domain is not None
    assert DomainFilter((domain,)).permits(f"https://{host}/x")
    assert not DomainFilter((), (domain,)).permits(f"https://{host}/x")
    assert not DomainFilter().permits("https://" + "ü" * 80 + ".de/")
