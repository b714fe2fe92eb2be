"""What a run costs: operations by closed forms, electricity by a tracker made for the test."""

from __future__ import annotations

import math
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from harmonic_lib import HarmonicHead
from harmonic_lib.measure.energy import kind_of, meter
from harmonic_lib.measure.flops import flops_of, training_flops

B, D, K = 8, 5, 3


def test_a_linear_layer_in_closed_form() -> None:
    layer, x = nn.Linear(D, K), torch.randn(B, D)
    assert flops_of(lambda: layer(x)) == 2 * B * D * K
    assert flops_of(lambda: layer(x).sum().backward()) == 2 * 2 * B * D * K
    x.requires_grad_()
    assert flops_of(lambda: layer(x).sum().backward()) == 3 * 2 * B * D * K


@pytest.mark.parametrize("rows", [1, 128, 300])
def test_training_is_its_steps(rows: int) -> None:
    model, x, y = nn.Linear(D, K), torch.randn(rows, D), torch.zeros(rows, dtype=torch.long)
    assert training_flops(model, x, y, epochs=7) == 7 * 2 * 2 * rows * D * K
    assert model.weight.grad is None


def test_what_has_no_products_is_not_counted() -> None:
    x, y = torch.randn(B, D), torch.zeros(B, dtype=torch.long)
    assert training_flops(HarmonicHead(D, K, "manhattan"), x, y, epochs=7) is None


class RAM: ...


class GPU: ...


class CPU:
    def __init__(self, mode: str) -> None:
        self._mode = mode


@pytest.mark.parametrize(
    ("hardware", "kind"),
    [
        ([RAM(), CPU("intel_rapl")], "measured"),
        ([RAM(), CPU("intel_rapl"), GPU()], "measured"),
        ([RAM(), CPU("cpu_load")], "estimated"),
        ([RAM(), CPU("constant"), GPU()], "estimated"),
        ([RAM()], "estimated"),
    ],
)
def test_what_no_meter_reads_is_estimated(hardware: list[object], kind: str) -> None:
    assert kind_of(hardware) == kind


def test_the_meter_reads_the_tracker_and_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Tracker:
        """A machine of 3.6 MW, a kilowatt-hour a millisecond, as of the last reading."""

        def __init__(self, **options: object) -> None:
            assert options["output_methods"] == []
            self._hardware = [RAM(), CPU("cpu_load")]
            self._total_energy = SimpleNamespace(kWh=0.0)

        def start(self) -> None:
            self.begun = time.perf_counter()

        def flush(self) -> None:
            self._total_energy.kWh = 1000 * (time.perf_counter() - self.begun)

        def stop(self) -> None:
            calls.append("stop")

    monkeypatch.setattr("codecarbon.OfflineEmissionsTracker", Tracker)
    with meter() as power:
        time.sleep(0.05)
        assert power.kind == "estimated"
        assert 50 <= power.kwh() < math.inf
        assert power.kwh_per_second() == pytest.approx(1000, rel=0.1)
    assert calls == ["stop"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """codecarbon's file of settings in an empty home, which is the working directory, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".codecarbon.config"


@pytest.mark.parametrize(
    ("line", "name"),
    [("output_dir = nowhere/at/all", "output_dir"), ("pue = 1.5", "pue"), ("oops", "oops")],
)
def test_a_bad_setting_is_named_with_its_file(settings: Path, line: str, name: str) -> None:
    settings.write_text(f"[codecarbon]\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=name) as raised, meter():
        pass
    assert str(settings) in str(raised.value).replace("\\\\", "\\")


def test_a_bad_setting_is_named_with_its_variable(
    settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODECARBON_FORCE_CPU_POWER", "65")
    with pytest.raises(ValueError, match="CODECARBON_FORCE_CPU_POWER"), meter():
        pass


def test_codecarbon_writes_nothing_and_asks_nobody(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address))
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    settings.write_text(
        "[codecarbon]\noutput_methods = csv,api\nemissions_endpoint = http://127.0.0.1:9\n"
        "electricitymaps_api_token = t\ncloud_provider = nobody\n",
        encoding="utf-8",
    )
    with meter() as power:
        assert 0 <= power.kwh() < 1
    assert [path.name for path in settings.parent.iterdir()] == [settings.name]
    assert asked == []
    assert capfd.readouterr().err == ""
