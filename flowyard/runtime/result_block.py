"""Result storage for Prefect in a bucket: a block that its server need not know.

Apart from the module that turns persistence on, because the class has to be found again by name: task runners
hand it to other processes.
"""

from __future__ import annotations

import asyncio
from functools import cache

from prefect.filesystems import WritableFileSystem

from flowyard.runtime.storage import Storage, open_storage

_open = cache(open_storage)


class ResultStorage(WritableFileSystem):
    """Results below one address, under keys that are whole addresses: a run's state says where its result is."""

    _block_type_name = "Flowyard result storage"

    address: str

    def _resolve_path(self, path: str) -> str:
        """Prefect asks for this, and keeps the answer in the run's state, where a storage has no block id."""
        below = self.address.rstrip("/")
        return path if path.startswith(f"{below}/") else f"{below}/{path}".rstrip("/")

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override] # as Prefect's own
        """The object. Raises StorageError."""
        return self._storage().read(self._key(path))

    async def aread_path(self, path: str) -> bytes:
        """As `read_path`."""
        return await asyncio.to_thread(self.read_path, path)

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # type: ignore[override]
        """Write the object. Raises StorageError."""
        self._storage().put(self._key(path), content)

    async def awrite_path(self, path: str, content: bytes) -> None:
        """As `write_path`."""
        await asyncio.to_thread(self.write_path, path, content)

    def _storage(self) -> Storage:
        return _open(self.address)

    def _key(self, path: str) -> str:
        return self._resolve_path(path).removeprefix(f"{self.address.rstrip('/')}/")
