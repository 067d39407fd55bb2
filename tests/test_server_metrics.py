from prometheus_client.parser import text_string_to_metric_families

from pipecat_wavix.server.metrics import Metrics


def samples(metrics):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_everything_is_counted_in_prometheus_format():
    requests = {("GET", "/v1/calls/{id}", 200): 2, ("POST", "/v1/calls", "no answer"): 1}
    metrics = Metrics(lambda: 3, requests)
    metrics.webhook("news")
    metrics.call("inbound", "streamed")
    metrics.refused("token")
    metrics.setup(0.2)
    got = samples(metrics)
    assert got["wavix_active_calls",] == 3
    assert got["wavix_webhooks_total", ("result", "news")] == 1
    key = ("wavix_calls_total", ("direction", "inbound"), ("outcome", "streamed"))
    assert got[key] == 1
    assert got["wavix_refused_sockets_total", ("reason", "token")] == 1
    assert got["wavix_setup_seconds_sum",] == 0.2
    rest = "wavix_rest_requests_total"
    assert got[rest, ("method", "GET"), ("route", "/v1/calls/{id}"), ("status", "200")] == 2
    assert got[rest, ("method", "POST"), ("route", "/v1/calls"), ("status", "no answer")] == 1


def test_two_routers_count_apart():
    one, other = Metrics(lambda: 0, {}), Metrics(lambda: 0, {})
    one.webhook("news")
    assert ("wavix_webhooks_total", ("result", "news")) not in samples(other)
