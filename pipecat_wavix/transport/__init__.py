"""The transport: a Pipecat bot's end of one Wavix media socket."""
