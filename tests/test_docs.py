"""What the documentation says is there, and what is there is documented."""

import re
from pathlib import Path

import pytest
from fake_wavix import FakeWavix

from pipecat_wavix.server import wavix_router
from pipecat_wavix.server.router import DialRequest
from pipecat_wavix.server.settings import _FROM_ENV, WavixSettings

ROOT = Path(__file__).parent.parent
CALLS = (ROOT / "docs" / "calls.md").read_text()
SERVER = "".join(path.read_text() for path in (ROOT / "pipecat_wavix" / "server").glob("*.py"))


@pytest.mark.parametrize("name", WavixSettings.model_fields)
def test_a_setting_is_documented_with_its_name_in_the_environment_and_its_default(name):
    (row,) = re.findall(rf"^\| `{name}` \|.*$", CALLS, re.MULTILINE)
    assert (f"`WAVIX_{name.upper()}`" in row) == (name in _FROM_ENV)
    default = WavixSettings.model_fields[name].default
    assert not isinstance(default, int | float) or f"| {default} |" in row


@pytest.mark.parametrize(
    "name", [field.alias or n for n, field in DialRequest.model_fields.items()]
)
def test_a_field_of_a_dial_is_documented(name):
    assert f"`{name}`" in CALLS


def test_every_route_is_documented():
    settings = WavixSettings(public_url="https://x.example", secret="s" * 32, operator_key="o" * 32)
    router = wavix_router(lambda _: None, FakeWavix(), settings)
    for route in router.routes:
        path = route.path.replace("{key}/{token}", "{key}").replace("{key}", "{secret}")
        assert path in CALLS


@pytest.mark.parametrize("name", sorted(set(re.findall(r'"(wavix_\w+)"', SERVER))))
def test_a_metric_is_documented(name):
    assert f"`{name}" in CALLS


@pytest.mark.parametrize(
    "label",
    sorted(
        {
            *re.findall(r'metrics\.(?:webhook|refused)\("(\w+)"', SERVER),
            *re.findall(r'metrics\.call\([\w".]+, "(\w+)"', SERVER),
            *re.findall(r'_refuse\(call_id, "(\w+)"', SERVER),
            *re.findall(r'_turn_away\(websocket, "(\w+)"', SERVER),
        }
    ),
)
def test_a_label_of_a_metric_is_documented(label):
    assert re.search(rf"\b{label}\b", CALLS.partition("## Metrics")[2])
