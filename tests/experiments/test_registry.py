"""The registry: every experiment under its name, and none imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest

from harmonic_lib.evidence.record import config_hash
from harmonic_lib.experiments import registry


@pytest.mark.parametrize("name", registry.MODULES)
def test_an_experiment_has_what_a_sweep_needs(name: str) -> None:
    experiment = registry.by_name(name)
    assert name == experiment.NAME
    assert experiment.__name__ == registry.MODULES[name]
    assert set(experiment.SEEDS) == set(registry.PROFILES)
    hashes = set()
    for profile in registry.PROFILES:
        for config in experiment.configs(profile):
            assert config.distance is None or isinstance(config.distance, str)
            assert isinstance(experiment.claim_of(config), str)
            hashes.add(config_hash(asdict(config)))
    assert registry.config_hashes(name) == hashes


def test_the_registry_imports_no_experiment() -> None:
    code = """
import sys
from harmonic_lib.experiments.registry import MODULES
assert not sys.modules.keys() & MODULES.values()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
