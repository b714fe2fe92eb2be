"""What a chapter needs of its notebook."""

from __future__ import annotations

from IPython.display import display


def glue(**values: object) -> None:
    """Make values available to the prose as ``{glue:text}`name```; shows nothing by itself.

    This is the output that MyST-NB's own ``glue`` writes. It is written here so that a
    chapter runs where MyST-NB is not installed, as on Colab.
    """
    for name, value in values.items():
        display(
            {"application/papermill.record/text/plain": repr(str(value))},
            raw=True,
            metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}},
        )
