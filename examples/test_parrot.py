"""The parrot, called by tests: how a bot of your own can be tested.

Run it with `pytest examples`; pytest-asyncio has to run async tests (`asyncio_mode = "auto"`).
"""

from parrot import bot

from pipecat_wavix.testing import CallBot

# In one breath: a parrot answers at the first pause.
PHRASE = "What a very fine day it is today"


async def test_it_greets(wavix_call: CallBot) -> None:
    """Half a second of tone, soon after the call begins."""
    async with wavix_call(bot) as call:
        greeting = await call.hear(within_secs=10)
    assert 0.4 < greeting.secs < 0.7


async def test_it_repeats_what_it_hears(wavix_call: CallBot) -> None:
    """The answer is about as long as what the caller said."""
    async with wavix_call(bot) as call:
        await call.hear()
        await call.say(PHRASE)
        answer = await call.hear()
    said = sum(spell.ended_at - spell.began_at for spell in call.summary.caller_spells)
    assert answer.secs > 0.7 * said
    assert answer.began_after_secs < 3


async def test_it_stops_when_the_caller_cuts_in(wavix_call: CallBot) -> None:
    """One clear, and silence soon after it."""
    async with wavix_call(bot) as call:
        await call.hear()
        await call.say(PHRASE)
        await call.barge_in("Stop, please.", after_secs=0.6)
        await call.hear()
    assert [clear for clear in call.summary.clears if clear.samples]
    assert all(clear.to_silence_secs < 0.2 for clear in call.summary.clears)
