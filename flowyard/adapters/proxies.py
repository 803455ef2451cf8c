"""Which proxy a URL is to be asked through: the environment's *_PROXY variables, as other tools read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import urllib3


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy's address for this scheme and host, None for a direct connection (also by NO_PROXY)."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None  # the usual case is spared the import
    from urllib.request import getproxies, proxy_bypass

    if not host or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")


def open_pool(proxy: str | None, options: Mapping[str, Any]) -> urllib3.PoolManager:
    """Connections through the proxy, or direct ones for None. `options` are those of urllib3's PoolManager."""
    import urllib3

    if proxy is None:
        return urllib3.PoolManager(**options)
    return urllib3.ProxyManager(proxy, proxy_headers=proxy_headers(proxy), **options)


def proxy_headers(proxy: str) -> Mapping[str, str]:
    """What the proxy has to be told: the user and password in its address, which urllib3 does not send itself."""
    from urllib.parse import unquote

    from urllib3.util import make_headers, parse_url

    credentials = parse_url(proxy).auth
    return make_headers(proxy_basic_auth=unquote(credentials)) if credentials else {}
