"""What happened on a call, from what it has left behind: a timeline, verdicts on it, and a report.

It knows the files of a call: the trace and the recording of the line's end, and the trace of the
bot's. It refuses to know how they came about: it imports nothing of the package.
"""

from pipecat_wavix.timeline.model import Timeline, Verdict
from pipecat_wavix.timeline.reading import read_timeline
from pipecat_wavix.timeline.report import write_report

__all__ = ["Timeline", "Verdict", "read_timeline", "write_report"]
