"""Embeddings in motion: the frames of training as one picture with controls, in plain HTML.

What a page gets is a picture of the last frame, drawn as SVG, and a script that moves its
points: nothing is fetched, and without the script the last frame stands. Nothing moves until
it is asked to.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harmonic_lib.measure.embedding import projection

SIDE = 600
"""Of a panel's square, in its own units."""
EDGE = 30
"""What stays free around the points."""


@dataclass(frozen=True)
class Panel:
    """One run.

    tables: (F, V, D), the points of each frame. path: the points that a line joins, in order.
    notes: what is said of each frame, F texts.
    """

    title: str
    tables: Tensor
    path: Sequence[int]
    notes: Sequence[str]


def aligned(tables: Tensor) -> Tensor:
    """Each frame in its own first two principal axes, turned towards the last, (F, V, 2).

    Principal axes have no sign, and where two of them hold equal variance no direction. So
    the plane of every frame is turned, and mirrored if need be, by the orthogonal matrix that
    brings its points closest to those of the last frame (orthogonal Procrustes). Distances
    within a frame stay as they are.

    Raises:
        ValueError: not frames of tables of at least two rows and two columns.
    """
    from scipy.linalg import orthogonal_procrustes

    if tables.ndim != 3 or not len(tables):
        raise ValueError(f"expected frames (F, V, D), got shape {tuple(tables.shape)}")
    planes = [projection(table) for table in tables]
    last = planes[-1].numpy()
    turns = [torch.from_numpy(orthogonal_procrustes(plane.numpy(), last)[0]) for plane in planes]
    return torch.stack([plane @ turn for plane, turn in zip(planes, turns, strict=True)])


def animation(
    name: str, panels: Sequence[Panel], frames: Sequence[str], about: str, rate: float = 8.0
) -> str:
    """Panels side by side, whose points move together; a slider and buttons choose the frame.

    Args:
        name: an id that the page has only once: letters, digits and hyphens.
        panels: with as many frames each as ``frames`` names. Within a panel all frames have
            one scale.
        frames: what each frame is called, such as "epoch 20".
        about: what the picture shows, in words.
        rate: frames a second.

    Returns:
        HTML with its own style and script. A reader who prefers reduced motion gets no Play
        button: the frames can still be chosen one by one. On paper the controls are left out.

    Raises:
        ValueError: an id of other characters, no frames, or panels that do not have them all.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
        raise ValueError(f"name must be letters, digits and hyphens, got {name!r}")
    for panel in panels:
        if not len(frames) == len(panel.tables) == len(panel.notes) or not frames:
            raise ValueError(
                f"panel {panel.title!r} has {len(panel.tables)} frames and {len(panel.notes)} "
                f"notes, and {len(frames)} frames have names"
            )
    places = [fitted(aligned(panel.tables)) for panel in panels]
    data = {
        "rate": rate,
        "frames": list(frames),
        "panels": [
            {"places": place.flatten(1).tolist(), "path": list(panel.path), "notes": panel.notes}
            for panel, place in zip(panels, places, strict=True)
        ],
    }
    # a text in the data must not end the script that holds it
    content = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    drawn = "".join(
        f'<div class="moving-panel"><p><b>{html.escape(panel.title)}</b></p>'
        f"{still(place[-1], panel)}"
        f'<p class="moving-note">{html.escape(panel.notes[-1])}</p></div>'
        for panel, place in zip(panels, places, strict=True)
    )
    last = len(frames) - 1
    return (
        f'<div class="moving" id="{name}" role="group" aria-label="{html.escape(about)}">'
        f"<style>{STYLE}</style>"
        f'<div class="moving-panels">{drawn}</div>'
        '<div class="moving-controls" hidden>'
        '<button type="button" data-do="play">Play</button>'
        '<button type="button" data-do="back">Back</button>'
        '<button type="button" data-do="next">Next</button>'
        f'<input type="range" min="0" max="{last}" step="1" value="{last}" aria-label="frame">'
        f"<output>{html.escape(frames[-1])}</output></div>"
        f'<script type="application/json">{content}</script>'
        f"<script>{SCRIPT.replace('NAME', name)}</script></div>"
    )


def fitted(places: Tensor) -> Tensor:
    """Places about 0 of all frames, in whole units within a panel, y pointing down."""
    reach = float(places.abs().max()) or 1.0
    scaled = places * torch.tensor([1.0, -1.0]) * (SIDE / 2 - EDGE) / reach
    return (scaled + SIDE / 2).round().int()


def still(places: Tensor, panel: Panel) -> str:
    """One frame as SVG: a line along the path, and numbered discs in its order of colours."""
    hues = {point: 360 * k / len(panel.path) for k, point in enumerate(dict.fromkeys(panel.path))}
    line = " ".join(f"{x},{y}" for x, y in places[list(panel.path)].tolist())
    discs = "".join(
        f'<g transform="translate({x} {y})">'
        f'<circle r="15" fill="hsl({hues.get(point, 0):.0f} 75% 76%)"/>'
        f'<text dy="6">{point}</text></g>'
        for point, (x, y) in enumerate(places.tolist())
    )
    return (
        f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{html.escape(panel.title)}">'
        f'<polyline points="{line}"/>{discs}</svg>'
    )


STYLE = """
.moving { margin-block: 1rem; color: inherit; }
.moving-panels { display: flex; flex-wrap: wrap; gap: 1rem; }
.moving-panel { flex: 1 1 17rem; min-width: 0; text-align: center; }
.moving-panel p { margin: 0.2rem 0; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.moving-panel .moving-note { min-height: 2.8em; line-height: 1.4; }
.moving svg { width: 100%; max-width: 26rem; height: auto; }
.moving polyline { fill: none; stroke: currentColor; stroke-opacity: 0.45; stroke-width: 2; }
.moving svg text { font: 600 17px sans-serif; text-anchor: middle; fill: #111; }
.moving-controls { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
.moving-controls[hidden], .moving-controls [hidden] { display: none; }
.moving-controls input { flex: 1 1 8rem; min-width: 6rem; }
.moving-controls output { min-width: 6em; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.moving-controls button { font: inherit; font-size: 0.9rem; color: inherit; background: transparent;
  border: 1px solid currentColor; border-radius: 0.3rem; padding: 0.2rem 0.7rem;
  min-width: 4.2rem; min-height: 1.9rem; }
.moving-controls :is(button, input) { accent-color: var(--pst-color-primary, #14666a); }
.moving-controls :focus-visible { outline: 3px solid currentColor; outline-offset: 1px; }
@media print { .moving-controls { display: none; } }
"""

SCRIPT = """
(() => {
  const root = document.getElementById("NAME");
  const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const controls = root.querySelector(".moving-controls");
  const slider = controls.querySelector("input"), said = controls.querySelector("output");
  const [play, back, next] = controls.querySelectorAll("button");
  const notes = [...root.querySelectorAll(".moving-note")];
  const drawn = [...root.querySelectorAll("svg")].map((svg) => ({
    line: svg.querySelector("polyline"), discs: [...svg.querySelectorAll("g")] }));
  const last = data.frames.length - 1;
  let now = last, before = 0, request = 0;

  function show(time) {
    now = Math.min(Math.max(time, 0), last);
    const first = Math.floor(now), part = now - first, nearest = Math.round(now);
    data.panels.forEach((panel, k) => {
      const a = panel.places[first], b = panel.places[Math.min(first + 1, last)];
      const at = a.map((value, i) => Math.round(10 * (value + part * (b[i] - value))) / 10);
      const place = (v) => [at[2 * v], at[2 * v + 1]];
      const moved = (v) => `translate(${place(v).join(" ")})`;
      drawn[k].discs.forEach((g, v) => g.setAttribute("transform", moved(v)));
      drawn[k].line.setAttribute("points", panel.path.map((v) => place(v).join()).join(" "));
      notes[k].textContent = panel.notes[nearest];
    });
    said.textContent = data.frames[nearest];
    slider.value = nearest;
    slider.setAttribute("aria-valuetext", data.frames[nearest]);
  }
  function stop() {
    cancelAnimationFrame(request);
    request = 0;
    play.textContent = "Play";
    said.setAttribute("aria-live", "polite");
  }
  function move(moment) {
    show(now + (moment - before) / 1000 * data.rate);
    before = moment;
    if (now < last) request = requestAnimationFrame(move);
    else stop();
  }
  play.addEventListener("click", () => {
    if (request) { stop(); show(Math.round(now)); return; }
    if (now >= last) show(0);
    play.textContent = "Pause";
    said.setAttribute("aria-live", "off");
    before = performance.now();
    request = requestAnimationFrame(move);
  });
  back.addEventListener("click", () => { stop(); show(Math.round(now) - 1); });
  next.addEventListener("click", () => { stop(); show(Math.round(now) + 1); });
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  const still = () => { if (calm.matches) stop(); play.hidden = calm.matches; };
  calm.addEventListener("change", still);
  still();
  show(last);
  controls.hidden = false;
})();
"""
