"""Run every recorded configuration for two epochs, or steps, with the library that is on the path.

``PYTHONPATH=CHECKOUT python short_runs.py RESULTS [ROOT]`` prints one line of JSON for each.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from harmonic_lib.experiments.registry import by_name, code_of

EPOCHS, SEEDS = 2, (0, 52)


def main(results: Path, root: Path | None) -> None:
    """Print what two epochs of two seeds give, for each configuration that has records."""
    torch.set_num_threads(1)
    for path in sorted(results.glob("*.jsonl")):
        experiment: Any = by_name(path.stem)
        configs = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            configs[record["config_hash"]] = record["config"]
        for digest, config in configs.items():
            known = {each.name for each in fields(experiment.Config)}
            unit = "epochs" if "epochs" in known else "steps"
            brief = replace(
                experiment.Config(**{k: v for k, v in config.items() if k in known}),
                **{unit: min(EPOCHS, config[unit])},
            )
            found = experiment.run(brief, SEEDS, root)
            row = {
                "experiment": path.stem,
                "config_hash": digest,
                "code": code_of(path.stem, config),
                "metrics": [each.metrics for each in found],
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
