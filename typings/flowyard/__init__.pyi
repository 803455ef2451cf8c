"""What flows import from flowyard in this project, for type checkers. Written by `lock` and `ship`."""

from typing import Literal, overload

from flowyard._docker_tasks import DockerFuture as DockerFuture
from flowyard._docker_tasks import DockerTask as DockerTask
from flowyard._docker_tasks.clean import CleanTask
from flowyard._docker_tasks.count_primes import CountPrimesTask
from flowyard.runtime.tasks.errors import ArgumentNotSerialisable as ArgumentNotSerialisable
from flowyard.runtime.tasks.errors import ArgumentsRefused as ArgumentsRefused
from flowyard.runtime.tasks.errors import BadSetting as BadSetting
from flowyard.runtime.tasks.errors import ChildCancelled as ChildCancelled
from flowyard.runtime.tasks.errors import ChildCrashed as ChildCrashed
from flowyard.runtime.tasks.errors import ChildFailed as ChildFailed
from flowyard.runtime.tasks.errors import ChildNeverStarted as ChildNeverStarted
from flowyard.runtime.tasks.errors import ChildTimedOut as ChildTimedOut
from flowyard.runtime.tasks.errors import DockerTaskError as DockerTaskError
from flowyard.runtime.tasks.errors import ImageMissing as ImageMissing
from flowyard.runtime.tasks.errors import NotPinned as NotPinned
from flowyard.runtime.tasks.errors import OutOfMemory as OutOfMemory
from flowyard.runtime.tasks.errors import ResultLost as ResultLost
from flowyard.runtime.tasks.errors import ResultNotSerialisable as ResultNotSerialisable
from flowyard.runtime.tasks.errors import ServerRefuses as ServerRefuses
from flowyard.runtime.tasks.errors import StorageFailed as StorageFailed

@overload
def docker_task(name: Literal["clean"]) -> CleanTask: ...
@overload
def docker_task(name: Literal["count_primes"]) -> CountPrimesTask: ...
