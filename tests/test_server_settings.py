import pytest

from pipecat_wavix.server.settings import WavixSettings

SECRET = "canary-secret-that-is-long-enough-to-be-one"
ENV = {"WAVIX_PUBLIC_URL": "https://bot.example.com", "WAVIX_SECRET": SECRET}


def settings(**changed):
    return WavixSettings(**{"public_url": "https://bot.example.com", "secret": SECRET, **changed})


def test_two_variables_are_enough():
    got = WavixSettings.from_env(ENV)
    assert got.public_url == "https://bot.example.com"
    assert got.secret.get_secret_value() == SECRET
    assert got.operator_key is None


def test_the_rest_can_be_set_by_the_environment_too():
    got = WavixSettings.from_env(
        {
            **ENV,
            "WAVIX_OPERATOR_KEY": "o" * 32,
            "WAVIX_FROM_NUMBER": "1 202 555 0100",
            "WAVIX_MAX_CALLS": "7",
        }
    )
    assert got.operator_key.get_secret_value() == "o" * 32
    assert (got.from_number, got.max_calls) == ("+12025550100", 7)


@pytest.mark.parametrize("missing", ENV)
@pytest.mark.parametrize("empty", [True, False])
def test_without_a_secret_or_an_address_it_refuses_and_says_what_to_set(missing, empty):
    env = {name: value for name, value in ENV.items() if name != missing}
    with pytest.raises(ValueError, match=f"{missing} is not set. Set it to"):
        WavixSettings.from_env({**env, missing: ""} if empty else env)


@pytest.mark.parametrize(
    "url",
    [
        "http://bot.example.com",
        "bot.example.com",
        "wss://bot.example.com",
        "https://",
        "https://bot.example.com?x=1",
        "https://bot.example.com#x",
        "https://user:pass@bot.example.com",
        "HTTPS://bot.example.com",
        "https://bot.example.com:port",
        "https://bot example.com",
        "https://bot.example.com/\nx",
        "https://bot.example.com/voice?",
        "http://localhost.example.com",
        "",
    ],
)
def test_an_address_that_would_not_do_is_refused(url):
    with pytest.raises(ValueError, match="public_url must"):
        settings(public_url=url)


@pytest.mark.parametrize("url", ["http://localhost:7860", "http://127.0.0.1:1", "http://[::1]:1"])
def test_on_this_machine_no_encryption_is_needed(url):
    assert settings(public_url=url).public_url == url


def test_a_slash_at_the_end_is_one_too_many():
    assert settings(public_url="https://x.example/a/").public_url == "https://x.example/a"


def test_what_is_wrong_in_the_environment_is_named_as_it_is_there():
    with pytest.raises(ValueError, match=r"^WAVIX_SECRET: .*32.*; WAVIX_MAX_CALLS: ") as refusal:
        WavixSettings.from_env({**ENV, "WAVIX_SECRET": "canary", "WAVIX_MAX_CALLS": "many"})
    assert "pydantic" not in str(refusal.value)
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize("name", ["secret", "operator_key"])
def test_a_key_that_can_be_guessed_is_refused_and_not_repeated(name):
    with pytest.raises(ValueError, match="it has 6 characters; at least 32") as refusal:
        settings(**{name: "canary"})
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_number": "112"},
        {"max_calls": 0},
        {"token_ttl_secs": 1},
        {"drain_secs": -1},
        {"start_timeout_secs": 0},
        {"max_body_bytes": 10},
        {"poll_secs": 0},
        {"colour": "red"},
    ],
)
def test_values_out_of_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        settings(**wrong)


def test_settings_show_no_secret():
    assert "canary" not in repr(settings(operator_key=SECRET))
