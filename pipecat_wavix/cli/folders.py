"""A folder for what is recorded, found good or bad before anybody is called.

It knows how a folder is made and tried. It refuses to know what comes into it.
"""

from pathlib import Path
from tempfile import TemporaryFile


def made(out: Path) -> Path:
    """Make a folder, if there is none, and see that files can be made in it.

    Args:
        out: What `--out` names.

    Raises:
        BadParameter: They cannot.
    """
    import typer

    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = "a file is in the way" if in_the_way else error.strerror
        what = f"--out is {out}: {why}: give a folder in which files can be made"
        raise typer.BadParameter(what) from error
    return out
