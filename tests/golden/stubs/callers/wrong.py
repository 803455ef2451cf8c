import datetime
from typing import Any

from flowyard import docker_task

clean = docker_task("clean")
rows: list[dict[str, Any]] = []
day = datetime.date.min
docker_task("claen")  # call-overload
clean([], rows)  # call-arg
clean([], rows, "2026-01-01")  # arg-type
clean([], rows, day, country="XX")  # arg-type
clean([], rows, day, limits=3)  # call-arg
clean([], rows, day=day)  # call-arg
text: str = clean([], rows, day)  # assignment
clean.submit([], rows, day).result()[1].upper()  # attr-defined
clean.map([[]], [rows], ["2026-01-01"])  # list-item
clean.map([[]], [rows], day, names=["a"])  # list-item
clean.with_options(deployment="huge")  # arg-type
clean.with_options(tries=3)  # call-arg
docker_task("fan-out")(3)  # misc
docker_task("fan-out").with_options(deployment="one")("three")  # arg-type
docker_task("fan-out").with_options(timeout=3).submit(3)  # misc
