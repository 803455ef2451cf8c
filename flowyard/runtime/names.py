"""The names and formats that an image and the machine which ships it have in common: what one writes, the other
looks for.

They stand here alone, as nothing else of this part is known outside of images. Those that `start.py` needs stand
there: it is run by its path, before there is a package to import from.
"""

from __future__ import annotations

from flowyard.runtime.start import KEEP_ENV, STARTED

__all__ = [
    "ANY",
    "CHECK_PREFIX",
    "CHILD_ENV",
    "DEFAULT_DEPLOYMENT",
    "DESCRIPTION",
    "DESCRIPTION_FORMAT",
    "FLOWS_MODULE",
    "KEEP_ENV",
    "KEY_LABEL",
    "LIB",
    "LONGEST_DEFAULT",
    "PINS_ENV",
    "PROJECT_LABEL",
    "RESULTS_ENV",
    "RESULT_FIELDS",
    "RESULT_FORMAT",
    "STARTED",
    "START_LOGGER",
]

# Where things are in an image.
LIB = "/opt/flowyard/lib"  # the runtime part; contract.py, which is run by its path, has it too
DESCRIPTION = "/opt/flowyard/description.json"
FLOWS_MODULE = "flowyard.runtime.flows"  # an entrypoint of a deployment is a name in it

# What an image says of itself.
DESCRIPTION_FORMAT = 1
CHECK_PREFIX = "flowyard-check: "  # begins the line with the finding that ended the check of an image
ANY = "Any"  # of a type that cannot be named outside the image
LONGEST_DEFAULT = 60  # characters; instead of a longer one a signature says that there is one

# The documents that hold results.
RESULT_FORMAT = 1  # marks one as ours: Prefect keeps the serializer in the run's state, not in the file
RESULT_FIELDS = ("type", "json", "repr", "lost")  # what people are shown of one

# Variables that a ship gives to runs.
RESULTS_ENV = "FLOWYARD_RESULTS"  # the address of the result storage
PINS_ENV = "FLOWYARD_DOCKER_TASKS"  # {task: {deployment: {"id": ..., "image": repository@digest}}}, as JSON
CHILD_ENV = "FLOWYARD_DOCKER_TASK"  # set where a run is the called one of a Docker task

# Labels of images.
PROJECT_LABEL = "io.flowyard.project"
KEY_LABEL = "io.flowyard.key"

DEFAULT_DEPLOYMENT = "default"  # the one of a flow that is meant where none is named

START_LOGGER = "flowyard.start."  # begins the logger of the log lines that say when a run came to which point
