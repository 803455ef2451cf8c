"""The names that an image and the machine which ships it have in common: what one writes, the other looks for.

They stand here alone, as nothing else of this part is known outside of images. Those that `start.py` needs stand
there: it is run by its path, before there is a package to import from.
"""

from __future__ import annotations

from flowyard.runtime.start import KEEP_ENV, STARTED

__all__ = [
    "CHILD_ENV",
    "DESCRIPTION",
    "KEEP_ENV",
    "KEY_LABEL",
    "LIB",
    "PINS_ENV",
    "PROJECT_LABEL",
    "RESULTS_ENV",
    "STARTED",
    "START_LOGGER",
]

# Where things are in an image.
LIB = "/opt/flowyard/lib"  # the runtime part; contract.py, which is run by its path, has it too
DESCRIPTION = "/opt/flowyard/description.json"

# Variables that a ship gives to runs.
RESULTS_ENV = "FLOWYARD_RESULTS"  # the address of the result storage
PINS_ENV = "FLOWYARD_DOCKER_TASKS"  # {task: {deployment: {"id": ..., "image": repository@digest}}}, as JSON
CHILD_ENV = "FLOWYARD_DOCKER_TASK"  # set where a run is the called one of a Docker task

# Labels of images.
PROJECT_LABEL = "io.flowyard.project"
KEY_LABEL = "io.flowyard.key"

START_LOGGER = "flowyard.start."  # begins the logger of the log lines that say when a run came to which point
