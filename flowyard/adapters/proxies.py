"""Which proxy a URL is to be asked through: the environment's *_PROXY variables, as other tools read them."""

from __future__ import annotations

import os


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy's address for this scheme and host, None for a direct connection (also by NO_PROXY)."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None  # the usual case is spared the import
    from urllib.request import getproxies, proxy_bypass

    if not host or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")
