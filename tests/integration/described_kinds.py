"""Every kind of flow there is in tests/golden/descriptions, and the parameters each is run with, in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowyard.values import Json


@dataclass(frozen=True)
class Kind:
    """One flow: its entrypoint, and the parameters of two runs. `least` has those without a default alone."""

    entrypoint: str
    least: Mapping[str, Json] = field(default_factory=dict)
    more: Mapping[str, Json] = field(default_factory=dict)

    @property
    def runs(self) -> dict[str, dict[str, Json]]:
        return {"least": dict(self.least), "all": {**self.least, **self.more}}


KINDS = {
    "nested_models": Kind(
        "nested_models.py",
        {
            "source": {"name": "orders", "theWeight": 2.5},
            "tree": {"label": "a", "children": [{"label": "b", "children": [{"label": "c"}]}]},
            "boxed": {"value": 7},
        },
        {
            "pet": {"kind": "dog", "tricks": ["sit", "roll"]},
            "size": {"low": 5},
            "other": {"name": "x", "sizes": [{"high": 3}]},
        },
    ),
    "data_classes": Kind(
        "data_classes.py",
        {"path": {"points": [{"x": 1}, {"x": 2, "y": 3}], "next": {"day": "2025-12-31"}}},
        {"start": {"x": 5}, "limits": {"most": 9}},
    ),
    "typed_dicts": Kind(
        "typed_dicts.py",
        {"address": {"street": "Main", "number": 3}},
        {"person": {"addresses": [{"street": "Side"}]}, "point": [3]},
    ),
    "enumerations": Kind(
        "enumerations.py",
        {"colour": 2},
        {
            "level": 1,
            "mode": "full",
            "rights": 2,
            "modes": ["delta", "full"],
            "by_mode": {"full": "red"},
            "maybe": "red",
        },
    ),
    "literals": Kind(
        "literals.py",
        {"text": "b"},
        {"mixed": 1, "single": "only", "some": [2, 1], "deep": {"k": "y"}},
    ),
    "unions": Kind(
        "unions.py",
        {"either": "five", "new": [1, 2]},
        {
            "optional": 3,
            "given": None,
            "when": "12345678-1234-5678-1234-567812345678",
            "model": {"number": 3},
        },
    ),
    "times": Kind(
        "times.py",
        {"at": "2026-03-04T05:06:07.5+02:00", "until": "2999-12-31"},
        {
            "aware": "2026-03-04T05:06:07Z",
            "naive": "2026-03-04T05:06:07",
            "day": "2024-02-29",
            "hour": "01:02:03.5",
            "span": "P1DT2H",
            "zone": "Europe/Paris",
        },
    ),
    "numbers_and_ids": Kind(
        "numbers_and_ids.py",
        {"price": "12.50", "user": 7},
        {
            "total": 3,
            "key": "00000000-0000-0000-0000-000000000001",
            "random": "9b9d3f0e-6f0c-4c3b-8f55-0d3f6a7c1e2d",
            "raw": "äb",
            "share": 0.25,
            "part": "2/3",
            "turn": "2j",
            "flag": False,
            "count": 2,
            "even": 8,
        },
    ),
    "paths": Kind(
        "paths.py",
        {"source": "in/a.csv"},
        {
            "target": "/x",
            "pure": "c",
            "page": "http://example.org/a",
            "store": "s3://bucket/key",
            "host": "10.0.0.1",
            "pattern": "b*",
        },
    ),
    "secret_values": Kind(
        "secret_values.py",
        {"password": "open sesame"},
        {"token": "t", "raw": "r", "empty": "full", "login": {"user": "bob", "password": "p"}},
    ),
    "constant_defaults": Kind(
        "constant_defaults.py",
        more={"status": 418, "state": "FAILED", "agent": "x", "levels": {"a": 1}, "code": 3},
    ),
    "annotated": Kind(
        "annotated.py",
        {"code": "FR"},
        {
            "share": 99,
            "few": ["ab", "cd"],
            "named": 2,
            "both": 5,
            "twice": 10,
            "listed": ["a", "b"],
            "extra": "2",
            "plain": 4,
        },
    ),
    "containers": Kind(
        "containers.py",
        {"rows": [{"a": [1, 2]}, {}]},
        {
            "pair": [2, "b"],
            "many": [3],
            "tags": ["z", "z"][:1],
            "fixed": [1],
            "last": [5],
            "mapping": {"2": False},
            "sequence": ["q"],
            "anything": {"x": {"y": None}},
            "loose": [None],
        },
    ),
    "untyped": Kind(
        "untyped.py",
        {"first": {"a": 1}, "value": [1]},
        {"second": "three", "third": 3, "fourth": 4.5, "fifth": None},
    ),
    "argument_kinds": Kind(
        "argument_kinds.py", {"first": 1, "fourth": True}, {"second": 3, "third": "d", "fifth": 6}
    ),
    "async_flow": Kind("async_flow.py", {"day": "2026-01-31"}, {"times": 2}),
    "generator_flow": Kind("generator_flow.py", {"step": "0.5"}, {"times": 3}),
    "async_generator_flow": Kind(
        "async_generator_flow.py", {"key": "00000000-0000-0000-0000-000000000002"}, {"times": 2}
    ),
    "named_by_constant": Kind("named_by_constant.py", more={"number": 2}),
    "factory": Kind("factory.py", {"number": 3}, {"unit": "t"}),
    "methods_static": Kind("methods.py:Jobs.static", more={"number": 5}),
    "methods_above": Kind("methods.py:Jobs.above", more={"number": 6}),
    "relative": Kind("package/relative.py", more={"amount": {"number": 3, "unit": "t"}, "unit": "g"}),
    "postponed": Kind(
        "postponed.py",
        {"window": {"start": "2026-01-31", "parent": {"start": "2025-01-31"}}},
        {"count": 1, "label": "x"},
    ),
    "by_reference": Kind("by_reference.py", {"number": 3}, {"frame": None, "either": 4}),
    "documented": Kind("documented.py", {"day": "2026-01-31"}, {"limit": 1, "other": 2}),
}
