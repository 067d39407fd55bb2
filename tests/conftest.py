import pytest
from hypothesis import settings
from loguru import logger

# A busy machine is no defect; how long things take is for benchmarks.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture
def logs():
    """Everything that is logged, at every level, as one list of lines."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{level} {message}")
    yield lines
    logger.remove(sink)
