"""Large values as files in formats that outlive versions of the libraries that wrote them.

Parquet for pandas, Arrow for Arrow and Polars, npy for arrays. The libraries are the flow's own: what is not
loaded cannot have made a value, and what is missing on the other side is named.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS = 131_072  # of a frame that are converted at once, when they are narrow:
GROUP = 8 << 20  # bytes of them at most, so that memory stays near the frame's own
PICKLE = "pickle"  # the format that is written and read on purpose only
_NAMELESS: Mapping[bytes, bytes] = {b"flowyard.series": b"without a name"}  # in the schema's metadata
_NO_NOTES: Mapping[bytes, bytes] = {}
BYTES = 65_536  # shorter bytes stand in the document itself


class CannotWrite(ValueError):
    """A value of a known kind that its format cannot hold."""


class CannotRead(ValueError):
    """What is needed to read a value is not here, or the content is not what was written."""


@dataclass(frozen=True)
class Format:
    """How one kind of value is a file. `needs` are the modules for writing and reading it."""

    needs: tuple[str, ...]
    write: Callable[[Any, Path], None]
    read: Callable[[Path], Any]


def format_of(value: Any) -> str | None:
    """The format for this value, None when it needs none."""
    if type(value) is bytes:
        return "bytes" if len(value) > BYTES else None
    for name, (module, attribute) in _TYPES.items():
        loaded = sys.modules.get(module)
        if loaded is not None and type(value) is getattr(loaded, attribute, None):
            return name
    return None


def is_number(value: Any) -> bool:
    """Whether this is a finite number of numpy, such as a frame's sum."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic):
        return False
    return value.dtype.kind in "biu" or (value.dtype.kind == "f" and bool(numpy.isfinite(value)))


def write(name: str, value: Any, path: Path) -> None:
    """Write the value. Raises CannotWrite, OSError."""
    form = FORMATS[name]
    for module in form.needs:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise CannotWrite(f"needs {module}, which is not installed here: add it to the flow") from error
    try:
        form.write(value, path)
    except OSError:
        raise
    except Exception as error:  # each library has errors of its own
        raise CannotWrite(f"{type(error).__name__}: {error}") from error


def read(name: str, path: Path) -> Any:
    """Read what `write` wrote. Raises CannotRead, OSError."""
    if name not in FORMATS:
        raise CannotRead(f"was written as {name!r}, which this image does not know: ship this flow again")
    form = FORMATS[name]
    for module in form.needs:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise CannotRead(
                f"is read with {module}, which is not installed here: add it to the flow"
            ) from error
    return form.read(path)


def _write_bytes(value: bytes, path: Path) -> None:
    path.write_bytes(value)


def _write_pandas(frame: Any, path: Path, notes: Mapping[bytes, bytes] = _NO_NOTES) -> None:
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    if not frame.columns.is_unique:
        raise CannotWrite("has two columns of one name")
    if not all(isinstance(name, str) for name in frame.columns):
        parquet.write_table(arrow.Table.from_pandas(frame), path)  # a schema knows its columns as text only
        return
    schema = arrow.Schema.from_pandas(frame)
    schema = schema.with_metadata({**schema.metadata, **notes})
    rows = _rows(frame)
    with parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for start in range(0, max(len(frame), 1), rows):
            part = arrow.Table.from_pandas(frame.iloc[start : start + rows], schema=schema)
            writer.write_table(part.replace_schema_metadata(schema.metadata))
            del part
    _release()


def _rows(frame: Any) -> int:
    """How many rows are converted at once."""
    size = int(frame.memory_usage(index=True).sum())
    return max(1, min(ROWS, GROUP * max(len(frame), 1) // max(size, 1)))


def _read_pandas(path: Path) -> Any:
    """One column after the other: beside the frame there is never more than one of them a second time."""
    parquet = importlib.import_module("pyarrow.parquet")
    with parquet.ParquetFile(path, pre_buffer=False) as file:  # not the whole file beside it
        schema = file.schema_arrow
        index = [
            name for name in (schema.pandas_metadata or {}).get("index_columns", ()) if type(name) is str
        ]
        names = [name for name in schema.names if name not in index]
        # A column is asked for by a path, and a dot leads into one that has parts.
        if len(names) < 2 or any("." in name for name in schema.names):
            return _frame(file.read())
        columns = [_column(file, [name]) for name in names]
        labels = _column(file, index).index if index else columns[0].index
    pandas = importlib.import_module("pandas")
    # What is put beside each other is not copied; since pandas 3 nobody needs to say so.
    once: dict[str, Any] = {"copy": False} if pandas.__version__.startswith(("1.", "2.")) else {}
    frame = pandas.concat(columns, axis=1, **once)
    frame.index, frame.columns = labels, _frame(schema.empty_table()).columns
    return frame


def _column(file: Any, names: list[str]) -> Any:
    frame = _frame(file.read(columns=names, use_threads=False))  # each thread would keep memory of its own
    _release()
    return frame


def _release() -> None:
    """Give back what Arrow keeps for later: beside a large frame it counts."""
    importlib.import_module("pyarrow").default_memory_pool().release_unused()


def _frame(table: Any) -> Any:
    # Each column is freed once it is in the frame. Not with blocks that are split: what lies in one piece would not
    # be copied, and could not be written to.
    return table.to_pandas(self_destruct=True)


def as_column(name: Any) -> tuple[Any, Mapping[bytes, bytes]]:
    """The name of the column that a series of this name becomes, as a column has to have one, and what says so."""
    return ("value", _NAMELESS) if name is None else (name, {})


def of_column(column: Any, notes: Mapping[bytes, bytes]) -> Any:
    """The name of the series that such a column was."""
    return None if _NAMELESS.items() <= notes.items() else column


def _write_series(series: Any, path: Path) -> None:
    column, notes = as_column(series.name)
    _write_pandas(series.to_frame(column), path, notes)


def _read_series(path: Path) -> Any:
    series = _read_pandas(path).iloc[:, 0]
    schema = importlib.import_module("pyarrow.parquet").read_schema(path)
    series.name = of_column(series.name, schema.metadata or {})  # renaming would copy it
    return series


def _write_arrow(table: Any, path: Path) -> None:
    ipc = importlib.import_module("pyarrow.ipc")
    options = ipc.IpcWriteOptions(compression="zstd")
    with ipc.new_file(str(path), table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=ROWS)


def _read_arrow(path: Path) -> Any:
    with importlib.import_module("pyarrow.ipc").open_file(str(path)) as reader:
        return reader.read_all()


def _write_array(array: Any, path: Path) -> None:
    with path.open("wb") as file:
        importlib.import_module("numpy").save(file, array, allow_pickle=False)


def _read_array(path: Path) -> Any:
    return importlib.import_module("numpy").load(path, allow_pickle=False)


def _write_polars(frame: Any, path: Path) -> None:
    frame.write_parquet(path)


def _read_polars(path: Path) -> Any:
    return importlib.import_module("polars").read_parquet(path)


def _write_pickle(value: Any, path: Path) -> None:
    with path.open("wb") as file:
        importlib.import_module("cloudpickle").dump(value, file)


def _read_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return importlib.import_module("cloudpickle").load(file)


_TYPES: Mapping[str, tuple[str, str]] = {
    "pandas": ("pandas", "DataFrame"),
    "pandas-series": ("pandas", "Series"),
    "arrow": ("pyarrow", "Table"),
    "numpy": ("numpy", "ndarray"),
    "polars": ("polars", "DataFrame"),
}
FORMATS: Mapping[str, Format] = {
    "bytes": Format((), _write_bytes, Path.read_bytes),
    "pandas": Format(("pandas", "pyarrow"), _write_pandas, _read_pandas),
    "pandas-series": Format(("pandas", "pyarrow"), _write_series, _read_series),
    "arrow": Format(("pyarrow",), _write_arrow, _read_arrow),
    "numpy": Format(("numpy",), _write_array, _read_array),
    "polars": Format(("polars",), _write_polars, _read_polars),
    PICKLE: Format(("cloudpickle",), _write_pickle, _read_pickle),
}
