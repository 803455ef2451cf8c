"""Tells what a flow was really called with, so that a test can compare it."""

from pydantic import SecretBytes, SecretStr


def seen(arguments):
    """Each argument's type and value, as text."""
    return {name: [type_of(value), text_of(value)] for name, value in arguments.items()}


def type_of(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text_of(value):
    if isinstance(value, (SecretStr, SecretBytes)):
        return repr(value.get_secret_value())
    if isinstance(value, (set, frozenset)):
        return repr(sorted(value))
    return repr(value)
