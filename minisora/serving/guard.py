"""Who may ask: requests that name this server, and pages that it served itself."""

import ipaddress
import re

from minisora.serving.refusal import Refusal

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


class Names:
    """The names that a server goes by.

    A page of another site can have its own name resolve to this machine and would then be served as if it were ours
    (DNS rebinding); but its requests carry that name. Addresses in numbers cannot be rebound.

    Parameters
    ----------
    host : str
        What the server listens on.
    others : iterable of str
        Further names that it may be called by.
    """

    def __init__(self, host, others=()):
        self._names = {name.lower().strip("[]") for name in ("localhost", host, *others)}
        self._any_address = not is_loopback(host)

    def include(self, name):
        """Whether the server goes by a name, without port and brackets."""
        if name in self._names or is_loopback(name):
            return True
        return self._any_address and _address(name) is not None


def is_loopback(name):
    """Whether a name or an address stays on this machine."""
    address = _address(name)
    return name.lower() == "localhost" if address is None else address.is_loopback


def _address(name):
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None


class Guard:
    """ASGI middleware that lets through what comes by one of our names, and no orders from pages of other sites.

    Parameters
    ----------
    app : ASGI application
    names : Names
    """

    def __init__(self, app, names):
        self.app, self.names = app, names

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
            self.check_host(headers.get(b"host", ""))
            if scope["method"] not in ("GET", "HEAD"):
                check_origin(headers)
        await self.app(scope, receive, send)

    def check_host(self, host):
        """Raise a `Refusal` unless the header Host is one of our names."""
        found = _HOST.fullmatch(host)
        if found is None:
            raise Refusal("no_host")
        if not self.names.include(found["name"].strip("[]").lower()):
            raise Refusal("wrong_host")


def check_origin(headers):
    """Raise a `Refusal` where a browser says that the request was made by a page of another origin."""
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none"):
        raise Refusal("other_site")
    if origin is not None and origin.partition("://")[2].lower() != headers[b"host"].lower():
        raise Refusal("other_site")
