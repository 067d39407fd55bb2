"""What a bot believes its caller hears, held against what the caller hears.

Pipecat's own FastAPIWebsocketTransport, with this package's serializer, beside `WavixTransport`: the
same pipeline, the same calls, at the same time. `python -m benchmarks.truth --help`.
"""
