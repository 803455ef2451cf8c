"""`one_time.py FOLDER`: the same time for every file that a step has put below a folder, and for the folder around it.

Times are all that differs between two installations of one lock. Without them its layer has the same digest wherever
it is made: a registry that holds it is sent nothing, also by a machine that had to install it anew.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

WHEN = 315_619_200  # seconds: 2 January 1980. Zip archives know no earlier time, whatever the time zone.


def below(folder: str) -> Iterator[str]:
    """All that is in the folder; links are not followed."""
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda each: each.name):
            yield entry.path
            if entry.is_dir(follow_symlinks=False):
                yield from below(entry.path)


def main(folder: str) -> None:
    """What has the time already is a lower layer's: to set it once more would copy the file into this one."""
    for path in (str(Path(folder).parent), folder, *below(folder)):
        if os.lstat(path).st_mtime_ns != WHEN * 10**9:
            os.utime(path, (WHEN, WHEN), follow_symlinks=False)


if __name__ == "__main__":
    main(sys.argv[1])
