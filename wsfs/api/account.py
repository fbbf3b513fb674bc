"""The address of an account, from what a person types."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
_SERVICE = "worksection.com"


def account_base_url(account: str) -> str:
    """The base URL of `acme`, `acme.worksection.com` or a URL, without a slash at its end.

    Of a URL (as copied from a browser) the scheme, host and port are taken. Plain http is kept for other
    hosts, as an emulator's; for the service's own it becomes https, so that nothing is ever sent to it in
    the clear. Raises ValueError with a sentence for a person.
    """
    account = account.strip()
    if "://" not in account:
        host = account.rstrip("/")
        if _LABEL.fullmatch(host) and host.lower() != "localhost":
            return f"https://{host.lower()}.{_SERVICE}"
        if "." in host and _HOST.fullmatch(host):
            return f"https://{host.lower()}"
        raise ValueError(
            f"{account!r} is not an account: give its name (acme), its address (acme.{_SERVICE}) or a URL"
        )
    try:
        parts = urlsplit(account)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(
            "the account's URL can't be read; it looks like https://acme.worksection.com"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("the account's URL must not hold a user name or password")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{account!r} is not the URL of an account: it begins with https://")
    scheme = "https" if f".{host}".endswith(f".{_SERVICE}") else parts.scheme
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + (f":{port}" if port is not None else "")


def is_loopback(base_url: str) -> bool:
    """Whether the address is this machine's own (an emulator), which no proxy should stand before."""
    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
