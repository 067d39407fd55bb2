"""The tests in the documentation pass as they stand there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipecat_wavix.testing.call import PhoneCall

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "testing.md").read_text()


def blocks(text):
    found = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in found if block.startswith("from bot import bot\n")]


README_TESTS = [
    block for block in blocks((ROOT / "README.md").read_text()) if "wavix_call" in block
]


def test_the_readme_has_a_test_of_five_lines():
    (block,) = README_TESTS
    assert len([line for line in block.splitlines() if line]) == 5


@pytest.mark.parametrize("block", [*README_TESTS, *blocks(GUIDE)])
def test_a_test_passes_as_it_stands(tmp_path, block):
    shutil.copy(ROOT / "examples" / "parrot.py", tmp_path / "bot.py")
    (tmp_path / "test_bot.py").write_text(block)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-o", "asyncio_mode=auto"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("name", [n for n in dir(PhoneCall) if not n.startswith("_")])
def test_what_a_call_can_do_is_documented(name):
    assert f"call.{name}" in GUIDE


def test_the_guide_has_more_than_one_test():
    assert len(blocks(GUIDE)) == 2
