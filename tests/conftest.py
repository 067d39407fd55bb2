import pytest
from loguru import logger


@pytest.fixture
def logs():
    """Everything that is logged, at every level, as one list of lines."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{level} {message}")
    yield lines
    logger.remove(sink)
