"""The smallest flow: one file, no dependencies, no flow.toml."""

from prefect import flow


@flow(log_prints=True)
def hello(name: str = "world") -> str:
    """Greet somebody, in the log and as the return value.

    Args:
        name: whom to greet.
    """
    greeting = f"Hello, {name}!"
    print(greeting)
    return greeting


if __name__ == "__main__":
    print(hello())
