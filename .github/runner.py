"""Where the book is built and how: lines for $GITHUB_OUTPUT.

    GPU_RUNNER='["self-hosted", "gpu"]' python3 .github/runner.py RUN_ID

GPU_RUNNER is the label of a runner with a GPU, or JSON: a list of labels, or an object with "group"
and "labels". "RUN_ID" inside it is replaced by the number of this run: some providers start
a machine for each label that they have not seen. With a GPU the chapters run at `full`, one at
a time; without, at `quick`.
"""

from __future__ import annotations

import json
import os
import sys


def outputs(runner: str, run: str) -> dict[str, str]:
    """The labels as JSON, the profile, the arguments of `harmonic book`, and whether a GPU is
    promised.

    Raises:
        ValueError: JSON that is broken, or no text, list of texts or object.
    """
    if not runner.strip():
        return {
            "labels": '"ubuntu-latest"',
            "profile": "quick",
            "arguments": "--profile quick",
            "gpu": "",
        }
    text = runner.strip().replace("RUN_ID", run)
    labels = json.loads(text) if text[0] in '[{"' else text
    listed = labels if isinstance(labels, list) else [labels]
    if not listed or not all(isinstance(each, (str, dict)) and each for each in listed):
        raise ValueError(f"expected a label, a list of labels or an object, got {runner}")
    return {
        "labels": json.dumps(labels),
        "profile": "full",
        "arguments": "--profile full --jobs 1",
        "gpu": "yes",
    }


if __name__ == "__main__":
    try:
        for name, value in outputs(os.environ.get("GPU_RUNNER", ""), sys.argv[1]).items():
            print(f"{name}={value}")
    except ValueError as error:
        sys.exit(f"the repository variable GPU_RUNNER: {error}")
