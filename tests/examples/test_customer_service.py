"""The customer service with the services of each of its files, on emulated calls."""

import ast
import difflib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from clouds.anthropic import Anthropic
from clouds.assemblyai import AssemblyAI
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.elevenlabs import ElevenLabs
from clouds.google import Gemini, GoogleSpeech, GoogleVoice, grpc_served, service_account
from clouds.language import Call
from clouds.openai import OpenAI
from clouds.speech import words_heard
from conversation import PATIENCE_SECS, answer_of, heard_within

from pipecat_wavix.emulator.summary import Spell

EXAMPLES = Path(__file__).parents[2] / "examples"
CLOUDS = {
    "customer_service": (Deepgram, OpenAI, Cartesia),
    "customer_service_anthropic": (AssemblyAI, Anthropic, ElevenLabs),
    "customer_service_google": (GoogleSpeech, Gemini, GoogleVoice),
}
# How well it is known how many words were heard: Google's voice gives no word times.
EXACT_WORDS = dict.fromkeys(CLOUDS, 2) | {"customer_service_google": 5}
SERVICES = ("stt", "llm", "tts")
# In one breath each: at a pause the bot may take its turn.
ORDER = "Where is my order number one zero four?"
STATUS = "Your order was sent yesterday, and arrives tomorrow."
THANKS = "No that was all."
GOODBYE = "Thank you for calling, goodbye."
HOURS = (
    "We are open from nine in the morning until six in the evening on every day of the week but "
    "for Sunday, when the garden shop is closed."
)


@pytest.fixture
async def clouds(cloud, monkeypatch, tmp_path):
    """As `cloud`, also for services that are behind gRPC."""
    async with AsyncExitStack() as stack:

        async def start(*stand_ins):
            behind_grpc = [stand_in for stand_in in stand_ins if hasattr(stand_in, "handlers")]
            await cloud(*(stand_in for stand_in in stand_ins if stand_in not in behind_grpc))
            if behind_grpc:
                key = service_account(tmp_path)
                monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
                await stack.enter_async_context(grpc_served(*behind_grpc, patch=monkeypatch))

        yield start


@pytest.mark.parametrize("name", CLOUDS)
async def test_it_greets_looks_up_an_order_and_hangs_up_when_the_goodbye_was_heard(
    name, example, clouds, wavix_call, logs
):
    shop = example(name)
    ears, model, voice = CLOUDS[name]
    ears, voice = ears(hears=[ORDER, THANKS]), voice()
    model = model(
        replies=[
            Call("order_status", {"number": "104"}),
            STATUS,
            Call("end_call", {"goodbye": GOODBYE}),
        ]
    )
    await clouds(ears, model, voice)
    async with wavix_call(shop.bot) as call:
        greeting = await answer_of(call)
        await call.say(ORDER)
        answer = await answer_of(call)
        await call.say(THANKS)
        goodbye = await answer_of(call)
        summary = await call.finished()

    assert words_heard(greeting.pcm) == len(shop.GREETING.split())
    assert words_heard(answer.pcm) == len(STATUS.split())
    assert words_heard(goodbye.pcm) == len(GOODBYE.split())
    assert " ".join(voice.texts) == f"{shop.GREETING} {STATUS} {GOODBYE}"
    assert summary.end_reason == "the bot closed the socket"
    assert any("call ended" in line and "confirmed" in line for line in logs)

    [stream] = ears.streams
    assert stream.secs == pytest.approx(summary.secs, rel=0.3)
    heard_secs = sum(end - start for start, end in stream.phrases)
    assert heard_secs == pytest.approx(summary.caller_secs, rel=0.4)
    assert model.said(0) == [("assistant", shop.GREETING), ("user", ORDER)]
    assert "sent yesterday" in model.result(1)
    assert model.said(2)[2:] == [("assistant", STATUS), ("user", THANKS)]
    assert not model.refused + ears.refused + voice.refused


@pytest.mark.parametrize("name", CLOUDS)
async def test_the_model_is_told_only_what_was_heard_before_the_caller_cut_in(
    name, example, clouds, wavix_call
):
    shop = example(name)
    ears, model, voice = CLOUDS[name]
    model = model(replies=[HOURS, STATUS])
    await clouds(ears(hears=["When are you open?", ORDER]), model, voice())
    async with wavix_call(shop.bot) as call:
        await answer_of(call)
        await call.say("When are you open?")
        await call.barge_in(ORDER, after_secs=2, within_secs=PATIENCE_SECS)
        answer = await answer_of(call)

    assert words_heard(answer.pcm) == len(STATUS.split())
    greeting, question, told, order = model.said(1)
    assert (greeting, question, order[1]) == (*model.said(0), ORDER)
    assert HOURS.startswith(told[1])
    # The caller heard this reply in part, and all else that was said.
    heard = words_heard(heard_within(call, Spell(0, call.summary.secs)))
    heard -= len(f"{shop.GREETING} {STATUS}".split())
    assert abs(len(told[1].split()) - heard) < EXACT_WORDS[name]
    assert heard < len(HOURS.split()) / 2


def statements(source):
    """The lines of a file by what they belong to: its docstring, an import, a service, the rest."""
    tree = ast.parse(source)
    kinds = {}
    for node in ast.walk(tree):
        if node is tree.body[0]:
            kind = "docstring"
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("pipecat.services"):
            kind = "import"
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in SERVICES:
            kind = "service"
        else:
            continue
        kinds.update(dict.fromkeys(range(node.lineno, node.end_lineno + 1), kind))
    return [(line, kinds.get(number)) for number, line in enumerate(source.splitlines(), 1)]


@pytest.mark.parametrize("name", [name for name in CLOUDS if name != "customer_service"])
def test_only_the_services_their_imports_and_the_docstring_differ(name):
    ours = statements((EXAMPLES / f"{name}.py").read_text())
    first = statements((EXAMPLES / "customer_service.py").read_text())
    for tag, was_from, was_to, is_from, is_to in difflib.SequenceMatcher(
        None, first, ours, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            assert all(kind for _, kind in first[was_from:was_to] + ours[is_from:is_to])
