"""The handset: a telephone in a browser, with a person or a file for a voice.

It knows how to let a page call through the emulator and see what happens on the line. It refuses to
know better than the line: what the page plays is what the emulated caller hears, sample for sample.
"""

from typing import Final

PATH: Final = "/_emulator/phone"
"""Where its page is, on an emulator."""
