"""Where the book is built and how: lines for $GITHUB_OUTPUT.

    GPU_RUNNER='["self-hosted", "gpu"]' GITHUB_RUN_ID=7 python3 .github/runner.py

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
    """The labels as JSON, the profile, and the arguments of `harmonic book`.

    Raises:
        ValueError: JSON that is broken, or no text, list of texts or object.
    """
    if not runner.strip():
        labels = '"ubuntu-latest"'
        return {"labels": labels, "profile": "quick", "arguments": "--profile quick"}
    text = runner.strip().replace("RUN_ID", run)
    labels = json.loads(text) if text[0] in '[{"' else text
    listed = labels if isinstance(labels, list) else [labels]
    if not listed or not all(isinstance(each, (str, dict)) and each for each in listed):
        raise ValueError(f"expected a label, a list of labels or an object, got {runner}")
    arguments = "--profile full --jobs 1"
    return {"labels": json.dumps(labels), "profile": "full", "arguments": arguments}


if __name__ == "__main__":
    try:
        made = outputs(os.environ.get("GPU_RUNNER", ""), os.environ["GITHUB_RUN_ID"])
        print(*(f"{name}={value}" for name, value in made.items()), sep="\n")
    except ValueError as error:
        sys.exit(f"the repository variable GPU_RUNNER: {error}")
