"""What other packages log, kept from the reader where it says nothing new."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Without(logging.Filter):
    """Lets by every record but those that the code of one package logs, below CRITICAL."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self._package = package

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may be shown."""
        return (
            record.levelno >= logging.CRITICAL or self._package not in Path(record.pathname).parts
        )


@contextmanager
def without(package: str) -> Iterator[None]:
    """`with without("orbax")`: absl's logger shows nothing of that package, also of its threads.

    Other packages' records pass, and afterwards this one's do again: a library has no say in what
    a process logs.
    """
    logger, own = logging.getLogger("absl"), Without(package)
    logger.addFilter(own)
    try:
        yield
    finally:
        logger.removeFilter(own)
