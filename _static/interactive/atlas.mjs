// The interactive atlas: state, picture, controls. The arithmetic is in distances.mjs, the page's
// HTML and styles in chapters/distances/interactive.html. A classic script: distances.mjs says why.
globalThis.harmonicAtlas = (() => {
  "use strict";
  const { FORMS, TIE, classify, harmax, logDistances, precision } = globalThis.harmonicDistances;

  const SIDE = 300, ARROWS = 13, FEWEST = 2, MOST = 6, STEP = 0.05, FARTHEST = 8;
  // harmonic_lib.figures.style.COLOURS, less those that are alike; the ink of a number on each.
  const COLOURS = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#56b4e9"];
  const NUMBERS = ["#fff", "#000", "#000", "#000", "#000", "#000"];

  const NAMES = {
    euclidean: "Euclidean", manhattan: "Manhattan", minkowski: "Minkowski", chebyshev: "Chebyshev", cosine: "Cosine",
    hamming: "Hamming", canberra: "Canberra", bray_curtis: "Bray–Curtis", mahalanobis: "Mahalanobis",
  };
  const FORM_NOTES = { gumbel: "gumbel (in evaluation: as soft)", hard: "hard bits" };
  const OPTIONS = {
    p: ["p", [0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 8, 12, 16]],
    smooth: ["alpha (smooth)", [0.5, 1, 2, 3, 4, 6, 8, 10, 15, 20, 30]],
    temperature: ["Temperature", [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4]],
    threshold: ["Threshold", [-2, -1.5, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.5, 2]],
    min_denom: ["Least denominator", [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 4]],
    weight_power: ["Weight power q", [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8]],
    ratio: ["Length : width", [0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8]],
    angle: ["Angle, degrees", [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165]],
  };
  const EXPONENTS = [0.5, 0.75, 1, 1.414, 2, 3, 4, 6, 8, 12, 16, 24, 32];

  const START = {
    name: "euclidean", form: "", exponent: 2, half: 2, levels: true, arrows: "w", selected: 0,
    prototypes: [[-1.1, 0.6], [0.9, 1.1], [0.5, -0.9], [-0.6, -1.2]], probe: [0.1, 0.25],
    options: {
      p: 1.5, smooth: 10, temperature: 1, threshold: 0.5, min_denom: 0.01, weight_power: 0.5, ratio: 3, angle: 30,
    },
  };
  const EXAMPLES = {
    "1 Manhattan, two prototypes": {
      name: "manhattan", prototypes: [[-0.8, -0.8], [0.8, 0.8]], probe: [-1.2, 1.2], arrows: "none",
    },
    "2 Canberra": {
      name: "canberra", prototypes: [[0.5, 1.2], [1.4, 0.4], [-0.8, -0.6]], probe: [0.3, -1], arrows: "none",
    },
    "3 Minkowski, p = 0.5": {
      name: "minkowski", prototypes: [[-1, 0.5], [0.8, 1], [0.3, -0.9]], probe: [0.8, -0.9], arrows: "none",
      options: { p: 0.5 },
    },
    "4 Cosine": {
      name: "cosine", prototypes: [[0.5, 0.3], [-0.4, 1.2], [-1.2, -0.7], [0.9, -1.5]], probe: [1.6, 1],
    },
  };

  const $ = (id) => document.getElementById(`atlas-${id}`);
  let state, theme;

  // ---- the picture -----------------------------------------------------------------------------

  // The middles of equal parts.
  const line = (from, to, count) =>
    Float64Array.from({ length: count }, (_, i) => from + ((i + 0.5) * (to - from)) / count);
  const logs = new Float64Array(MOST * SIDE * SIDE);
  const winner = new Uint8Array(SIDE * SIDE), top = new Float32Array(SIDE * SIDE);
  const wins = new Uint32Array(256);
  const flat = new Float64Array(2 * MOST);
  const palette = new Uint32Array(MOST * 256);
  let image, pixels, xs, ys;

  const weights = () => {
    state.prototypes.forEach((w, k) => flat.set(w, 2 * k));
    return flat.subarray(0, 2 * state.prototypes.length);
  };

  // One row a class, from the page's background to the class's colour.
  function mixColours() {
    const style = getComputedStyle(document.documentElement);
    const pen = $("lines").getContext("2d");
    const read = (name) => ((pen.fillStyle = style.getPropertyValue(name).trim()), pen.fillStyle);
    theme = { paper: read("--pst-color-background"), ink: read("--pst-color-text-base") };
    const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const paper = rgb(theme.paper);
    theme.packed = pack(rgb(theme.ink));
    theme.blank = pack(paper);
    COLOURS.forEach((colour, k) => {
      const full = rgb(colour);
      for (let s = 0; s < 256; s++) {
        const share = 0.12 + 0.78 * (s / 255);
        palette[256 * k + s] = pack(paper.map((c, i) => c + share * (full[i] - c)));
      }
    });
  }
  const pack = ([r, g, b]) => (0xff000000 | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

  // The distances of a prototype are worked out again only where something has changed for it.
  const known = new Array(MOST);
  function findDistances() {
    const { name, form, half } = state, options = FORMS[name][form].map((key) => state.options[key]);
    state.prototypes.forEach((w, k) => {
      const asked = [name, form, half, ...options, ...w].join(" ");
      if (known[k] === asked) return;
      logDistances(state, Float64Array.from(w), xs, ys, logs.subarray(k * SIDE * SIDE, (k + 1) * SIDE * SIDE));
      known[k] = asked;
    });
  }

  // Row 0 is the top of the plane. A pixel on a boundary is ink; ties are hatched.
  let painted = "";
  function paintRegions() {
    const classes = state.prototypes.length, even = 1 / classes;
    findDistances();
    const asked = [theme.paper, theme.ink, state.exponent, ...known.slice(0, classes)].join(";");
    if (painted === asked) return;
    painted = asked;
    classify(logs, classes, state.exponent, winner, top);
    wins.fill(0);
    for (let y = 0, at = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++, at++) {
        const k = winner[at];
        wins[k]++;
        if ((x > 0 && winner[at - 1] !== k) || (y > 0 && winner[at - SIDE] !== k)) pixels[at] = theme.packed;
        else if (k === TIE) pixels[at] = (x + y) % 10 < 2 ? theme.packed : theme.blank;
        else pixels[at] = palette[256 * k + ((255 * (top[at] - even)) / (1 - even)) | 0];
      }
    }
    $("regions").getContext("2d").putImageData(image, 0, 0);
  }

  // A round step that puts about seven level sets into the picture.
  function levelStep(first) {
    const sample = [];
    for (let at = 0; at < SIDE * SIDE; at += 97) sample.push(logs[first + at]);
    sample.sort((a, b) => a - b);
    const rough = Math.exp(sample[Math.floor(0.85 * sample.length)]) / 7;
    const unit = 10 ** Math.floor(Math.log10(rough));
    return unit * ([1, 2, 5].find((m) => m * unit >= rough) ?? 10);
  }

  // Marching squares over every second pixel, a level at a time where a square has one.
  const HALF = SIDE / 2;
  const levels = new Float32Array(HALF * HALF);
  function traceLevels(pen, scale) {
    const first = state.selected * SIDE * SIDE, step = levelStep(first);
    for (let y = 0; y < HALF; y++) {
      for (let x = 0; x < HALF; x++) levels[y * HALF + x] = Math.exp(logs[first + 2 * y * SIDE + 2 * x]) / step;
    }
    pen.beginPath();
    for (let y = 0; y + 1 < HALF; y++) {
      for (let x = 0; x + 1 < HALF; x++) {
        const at = y * HALF + x;
        const a = levels[at], b = levels[at + 1], c = levels[at + HALF + 1], d = levels[at + HALF];
        const least = Math.min(a, b, c, d), most = Math.max(a, b, c, d);
        const lowest = Math.floor(least) + 1;
        for (let level = lowest; level <= most && level < lowest + 4; level++) {
          let ends = 0;
          const cut = (u, v, px, py, qx, qy) => {
            if (u < level === v < level) return;
            const t = (level - u) / (v - u);
            const left = (2 * (x + px + t * (qx - px)) + 0.5) * scale;
            const high = (2 * (y + py + t * (qy - py)) + 0.5) * scale;
            if (ends++ % 2 === 0) pen.moveTo(left, high);
            else pen.lineTo(left, high);
          };
          cut(a, b, 0, 0, 1, 0);
          cut(b, c, 1, 0, 1, 1);
          cut(c, d, 1, 1, 0, 1);
          cut(d, a, 0, 1, 0, 0);
        }
      }
    }
    pen.strokeStyle = theme.ink;
    pen.globalAlpha = 0.6;
    pen.lineWidth = Math.max(1, scale * 0.6);
    pen.stroke();
    return step;
  }

  // The negative gradient of -log p_y, by central differences of log d: in w_y for an example that
  // lies where the arrow starts, or in x at that place. [right, up] of each arrow, row by row.
  const H = 1e-5;
  const arrows = new Float64Array(2 * ARROWS * ARROWS);
  const near = Array.from({ length: 5 }, () => new Float64Array(MOST * ARROWS * ARROWS));
  function gradients(ax, ay) {
    const n = state.exponent, y = state.selected, places = ARROWS * ARROWS, classes = state.prototypes.length;
    const w = weights(), [here, ...beside] = near;
    const of_place = new Array(classes);
    logDistances(state, w, ax, ay, here);
    if (state.arrows === "w") {
      const [u, v] = state.prototypes[y];
      logDistances(state, Float64Array.of(u + H, v, u - H, v, u, v + H, u, v - H), ax, ay, beside[0]);
    } else {
      [[H, 0], [-H, 0], [0, H], [0, -H]].forEach(([right, up], i) => {
        logDistances(state, w, ax.map((a) => a + right), ay.map((a) => a + up), beside[i]);
      });
    }
    for (let at = 0; at < places; at++) {
      for (let k = 0; k < classes; k++) of_place[k] = here[k * places + at];
      const p = harmax(of_place, n);
      let right = 0, up = 0;
      if (state.arrows === "w") {
        const moved = beside[0];
        right = (1 - p[y]) * (moved[at] - moved[places + at]);
        up = (1 - p[y]) * (moved[2 * places + at] - moved[3 * places + at]);
      } else {
        for (let k = 0, i = at; k < classes; k++, i += places) {
          const share = (k === y ? 1 : 0) - p[k];
          right += share * (beside[0][i] - beside[1][i]);
          up += share * (beside[2][i] - beside[3][i]);
        }
      }
      arrows[2 * at] = (-n * right) / (2 * H);
      arrows[2 * at + 1] = (-n * up) / (2 * H);
    }
    return arrows;
  }

  // Lengths are l / (l + median): the field is too steep near a prototype to be drawn to scale.
  function drawArrows(pen, side) {
    const half = state.half, cell = side / ARROWS;
    const field = gradients(line(-half, half, ARROWS), line(half, -half, ARROWS));
    const lengths = Array.from({ length: ARROWS * ARROWS }, (_, i) => Math.hypot(field[2 * i], field[2 * i + 1]));
    const median = [...lengths].sort((a, b) => a - b)[lengths.length >> 1];
    pen.beginPath();
    lengths.forEach((length, i) => {
      if (!(length > 1e-9)) return;
      const long = (0.9 * cell * length) / (length + median), head = Math.min(0.3 * long, 0.14 * cell);
      const right = field[2 * i] / length, down = -field[2 * i + 1] / length;
      const x = ((i % ARROWS) + 0.5) * cell, y = (Math.floor(i / ARROWS) + 0.5) * cell;
      const tip = [x + right * long, y + down * long];
      pen.moveTo(x, y);
      pen.lineTo(...tip);
      pen.moveTo(tip[0] - head * (right + 0.6 * down), tip[1] - head * (down - 0.6 * right));
      pen.lineTo(...tip);
      pen.lineTo(tip[0] - head * (right - 0.6 * down), tip[1] - head * (down + 0.6 * right));
    });
    pen.globalAlpha = 1;
    pen.lineWidth = Math.max(1, side / 300);
    pen.strokeStyle = theme.ink;
    pen.stroke();
    return Math.max(...lengths) > 1e-9;
  }

  function drawAxes(pen, side) {
    pen.globalAlpha = 0.45;
    pen.lineWidth = 1;
    pen.setLineDash([4, 4]);
    pen.strokeStyle = theme.ink;
    pen.beginPath();
    pen.moveTo(side / 2, 0);
    pen.lineTo(side / 2, side);
    pen.moveTo(0, side / 2);
    pen.lineTo(side, side / 2);
    pen.stroke();
    pen.setLineDash([]);
  }

  // ---- what the page says ----------------------------------------------------------------------

  const shown = (value) => String(Number(value.toFixed(2))).replace("-", "−");
  const percent = (count) => `${((100 * count) / (SIDE * SIDE)).toFixed(count && count < 900 ? 1 : 0)}\u00a0%`;
  const short = (d) => {
    if (d < 1e-99) return "0";
    return d < 0.01 || d >= 1000 ? d.toExponential(1).replace("-", "−") : d.toPrecision(3);
  };

  function place() {
    const all = [...state.prototypes, state.probe];
    document.querySelectorAll(".atlas-handle").forEach((handle, k) => {
      const [x, y] = all[k].map((v) => within(v, state.half));
      handle.style.left = `${50 * (1 + x / state.half)}%`;
      handle.style.top = `${50 * (1 - y / state.half)}%`;
      handle.classList.toggle("outside", x !== all[k][0] || y !== all[k][1]);
      const what = k < state.prototypes.length ? `Prototype ${k + 1}` : "Probe x";
      handle.setAttribute("aria-label", `${what} at (${all[k].map(shown).join(", ")})`);
      if (k < state.prototypes.length) handle.setAttribute("aria-pressed", String(k === state.selected));
    });
  }

  // Of each prototype: its distance to the probe, and its probability there.
  function atProbe() {
    const [x, y] = state.probe.map((v) => Float64Array.of(v)); // as in the picture: fast loops see one type
    const found = [...logDistances(state, weights(), x, y, new Float64Array(state.prototypes.length))];
    return { distances: found.map(Math.exp), probabilities: harmax(found, state.exponent) };
  }

  function fillTable() {
    const { distances, probabilities } = atProbe();
    [...$("rows").rows].forEach((row, k) => {
      const isProbe = k === state.prototypes.length;
      row.querySelectorAll("input[type=number]").forEach((input, i) => {
        if (input !== document.activeElement) input.value = (isProbe ? state.probe : state.prototypes[k])[i];
      });
      if (isProbe) return;
      row.querySelector("input[type=radio]").checked = k === state.selected;
      row.cells[3].textContent = percent(wins[k]);
      row.cells[4].textContent = short(distances[k]);
      row.cells[5].textContent = probabilities[k].toFixed(3);
    });
  }

  // Connected parts of one winner that are more than specks (0.05 % of the plane).
  function regions() {
    const left = winner.slice(), stack = new Int32Array(SIDE * SIDE), none = 254;
    let parts = 0;
    for (let start = 0; start < left.length; start++) {
      const k = left[start];
      if (k === none || k === TIE) continue;
      let depth = 1, size = 0;
      stack[0] = start;
      left[start] = none;
      while (depth > 0) {
        const at = stack[--depth], x = at % SIDE;
        size++;
        for (const next of [x > 0 ? at - 1 : -1, x + 1 < SIDE ? at + 1 : -1, at - SIDE, at + SIDE]) {
          if (left[next] === k) { left[next] = none; stack[depth++] = next; }
        }
      }
      if (size > 45) parts++;
    }
    return parts;
  }

  function describe(step, pulls) {
    const { name, form, exponent } = state, y = state.selected + 1, { probabilities } = atProbe();
    const how = [`${NAMES[name]} distance`, ...(form ? [`form ${form}`] : [])];
    how.push(...FORMS[name][form].map((key) => `${key} ${shown(state.options[key])}`), `exponent ${exponent}`);

    const count = regions(), lots = wins[TIE] > 0.002 * SIDE * SIDE; // not the odd pixel on a boundary
    const parts = state.prototypes.map((_, k) => `class ${k + 1} ${percent(wins[k])}`).join(", ");
    const tied = lots ? `; ${percent(wins[TIE])} is tied (hatched)` : "";

    const most = Math.max(...probabilities), best = probabilities.indexOf(most);
    const alone = probabilities.filter((p) => most - p < 1e-8).length === 1;
    const there = alone ? `class ${best + 1} is most probable` : "there is a tie";

    const text = [
      `${how.join(", ")}.`,
      `${count} decision ${count === 1 ? "region" : "regions"}: ${parts} of the plane shown${tied}.`,
      `At the probe (${state.probe.map(shown).join(", ")}) ${there}, with p = ${most.toFixed(3)}.`,
    ];
    if (state.levels) text.push(`Level sets: the distance to prototype ${y}, every ${Number(step.toPrecision(1))}.`);
    const gradient = (of) => `(the negative gradient of −log p${sub(y)} in ${of}; lengths not to scale).`;
    if (state.arrows === "w") {
      text.push(`Arrows: where an example of class ${y} that lies at the tail would pull prototype ${y}`, gradient("its prototype"));
    } else if (state.arrows === "x") {
      text.push(`Arrows: where an input of class ${y} that lies at the tail would move`, gradient("the input"));
    }
    if (!pulls) text.push("There are none to be seen: this gradient is zero.");
    if (!pulls && form === "hard") text.push("In training, the library puts that of soft bits in its place.");
    return text.join(" ");
  }
  const sub = (k) => String.fromCharCode(0x2080 + k);

  function python() {
    const row = (w) => `[${w.map((v) => Number(v.toFixed(2))).join(", ")}]`;
    const { name, form, options } = state;
    const given = form && form !== Object.keys(FORMS[name])[0] && name !== "chebyshev" ? [`form="${form}"`] : [];
    if (name === "mahalanobis") {
      const [p, q, r] = precision(form, options).map((v) => v.toFixed(6));
      given.unshift("dim=2");
      given.push(`precision=torch.tensor(${form === "diagonal" ? `[${p}, ${r}]` : `[[${p}, ${q}], [${q}, ${r}]]`})`);
    } else {
      FORMS[name][form].forEach((key) => given.push(`${key}=${options[key]}`));
    }
    const count = state.prototypes.length;
    return [
      "import torch",
      "import harmonic_lib as hl",
      "",
      `prototypes = torch.nn.Parameter(torch.tensor([${state.prototypes.map(row).join(", ")}]))`,
      `distance = hl.distance(${[`"${name}"`, ...given].join(", ")})`,
      `head = hl.HarmonicHead(2, ${count}, distance, exponent=${state.exponent}, weight=prototypes).eval()`,
      `x = torch.tensor(${row(state.probe)})`,
      "with torch.no_grad():",
      "    print(distance(x, prototypes))  # the distances to x",
      "    print(head(x).softmax(-1))  # the probabilities at x",
      "",
    ].join("\n");
  }

  // ---- drawing and describing ------------------------------------------------------------------

  let waiting = 0, later = 0;
  function draw() {
    waiting = 0;
    paintRegions();
    const lines = $("lines"), pen = lines.getContext("2d"), side = lines.width;
    pen.clearRect(0, 0, side, side);
    drawAxes(pen, side);
    const step = state.levels ? traceLevels(pen, side / SIDE) : 0;
    const pulls = state.arrows === "none" || drawArrows(pen, side);
    place();
    fillTable();
    clearTimeout(later);
    later = setTimeout(() => {
      $("description").textContent = describe(step, pulls);
      $("python").textContent = python();
    }, 400);
  }
  function change(what) {
    Object.assign(state, what);
    if (!waiting) waiting = requestAnimationFrame(draw);
  }

  // ---- controls --------------------------------------------------------------------------------

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  // A slider over a list of values, with the value beside it.
  function slide(input, output, values, value, use) {
    const tell = () => {
      output.textContent = shown(values[input.value]);
      input.setAttribute("aria-valuetext", output.textContent);
    };
    Object.assign(input, { min: 0, max: values.length - 1, step: 1, value: values.indexOf(value) });
    input.oninput = () => { tell(); use(values[input.value]); };
    tell();
  }

  const within = (v, most) => Math.max(-most, Math.min(most, v));
  const rounded = (v) => Number(within(Math.round(v / STEP) * STEP, FARTHEST).toFixed(2));
  function moveTo(k, x, y) {
    const to = [rounded(x), rounded(y)];
    if (k === state.prototypes.length) return change({ probe: to });
    state.prototypes[k] = to;
    change({ selected: k });
  }
  function under(event) {
    const box = $("stage").getBoundingClientRect();
    const right = (2 * (event.clientX - box.left)) / box.width - 1;
    const up = 1 - (2 * (event.clientY - box.top)) / box.height;
    return [right, up].map((v) => state.half * within(v, 1));
  }
  const handles = () => [...document.querySelectorAll(".atlas-handle")];

  function makeHandle(k) {
    const isProbe = k === state.prototypes.length;
    const select = () => isProbe || change({ selected: k });
    const handle = element("button", {
      type: "button",
      class: isProbe ? "atlas-handle atlas-probe" : "atlas-handle",
      onfocus: select,
      onclick: (event) => { event.stopPropagation(); select(); },
      onpointerdown: (event) => { handle.setPointerCapture(event.pointerId); handle.focus({ preventScroll: true }); },
      onpointermove: (event) => handle.hasPointerCapture(event.pointerId) && moveTo(k, ...under(event)),
    }, isProbe ? "x" : String(k + 1));
    if (!isProbe) Object.assign(handle.style, { background: COLOURS[k], color: NUMBERS[k] });
    return handle;
  }

  function makeRow(k) {
    const isProbe = k === state.prototypes.length, what = isProbe ? "Probe" : `Prototype ${k + 1}`;
    const coordinate = (i) => element("input", {
      type: "number", step: STEP, min: -FARTHEST, max: FARTHEST,
      "aria-label": `${what}, ${i ? "second" : "first"} coordinate`,
      oninput: (event) => {
        const to = [...(isProbe ? state.probe : state.prototypes[k])];
        to[i] = event.target.valueAsNumber;
        if (Number.isFinite(to[i])) moveTo(k, ...to);
      },
      onblur: () => change({}),
    });
    const radio = () => element("input", { type: "radio", name: "atlas-selected", onchange: () => change({ selected: k }) });
    const swatch = () => element("span", { class: "atlas-swatch", style: `background: ${COLOURS[k]}` });
    const label = isProbe ? element("i", {}, "x") : element("label", {}, radio(), swatch(), String(k + 1));
    const cells = [element("th", { scope: "row" }, label), ...[0, 1].map((i) => element("td", {}, coordinate(i)))];
    return element("tr", {}, ...cells, ...[0, 1, 2].map(() => element("td")));
  }

  // The parts of the page that depend on how many prototypes there are.
  function makeItems() {
    const every = [...state.prototypes, state.probe];
    handles().forEach((handle) => handle.remove());
    $("stage").append(...every.map((_, k) => makeHandle(k)));
    $("rows").replaceChildren(...every.map((_, k) => makeRow(k)));
    $("add").disabled = state.prototypes.length === MOST;
    $("remove").disabled = state.prototypes.length === FEWEST;
  }

  // The parts that depend on the distance.
  function makeOptions() {
    const forms = Object.keys(FORMS[state.name]);
    if (!forms.includes(state.form)) state.form = forms[0];
    $("distance").value = state.name;
    $("forms").hidden = forms.length === 1;
    $("form").replaceChildren(...forms.map((form) => element("option", { value: form }, FORM_NOTES[form] ?? form)));
    $("form").value = state.form;
    $("options").replaceChildren(...FORMS[state.name][state.form].flatMap((key) => {
      const input = element("input", { type: "range", id: `atlas-${key}` });
      const output = element("output", { for: `atlas-${key}` });
      const [label, values] = OPTIONS[key];
      slide(input, output, values, state.options[key], (value) => { state.options[key] = value; change({}); });
      return [element("label", { for: `atlas-${key}` }, label), input, output];
    }));
  }

  function show(what) {
    state = structuredClone({ ...START, ...what, options: { ...START.options, ...what.options } });
    makeOptions();
    makeItems();
    slide($("exponent"), $("exponent").nextElementSibling, EXPONENTS, state.exponent, (exponent) => change({ exponent }));
    $("half").value = state.half;
    $("levels").checked = state.levels;
    $("arrows").value = state.arrows;
    setPlane();
  }
  function setPlane() {
    xs = line(-state.half, state.half, SIDE);
    ys = line(state.half, -state.half, SIDE);
    change({});
  }

  function copy() {
    const text = python();
    const say = (words) => ($("copied").textContent = words);
    $("python").textContent = text;
    const byHand = () => {
      $("python").closest("details").open = true;
      getSelection().selectAllChildren($("python"));
      say("Selected: copy it with the keyboard.");
    };
    if (!navigator.clipboard) return byHand();
    navigator.clipboard.writeText(text).then(() => say("Copied."), byHand);
  }

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const all = handles(), k = all.indexOf(document.activeElement);
    const to = event.key === "x" ? all.at(-1) : /^[1-6]$/.test(event.key) ? all.slice(0, -1)[event.key - 1] : null;
    if (to) to.focus();
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way || k < 0) return;
    event.preventDefault();
    const from = [...state.prototypes, state.probe][k], far = event.shiftKey ? 10 * STEP : STEP;
    moveTo(k, from[0] + far * way[0], from[1] + far * way[1]);
  }

  function start() {
    image = $("regions").getContext("2d").createImageData(SIDE, SIDE);
    pixels = new Uint32Array(image.data.buffer);
    mixColours();
    $("distance").append(...Object.keys(FORMS).map((name) => element("option", { value: name }, NAMES[name])));
    for (const [title, what] of Object.entries(EXAMPLES)) {
      $("examples").append(element("button", { type: "button", onclick: () => show(what) }, title));
    }
    $("distance").onchange = (event) => { change({ name: event.target.value }); makeOptions(); };
    $("form").onchange = (event) => { change({ form: event.target.value }); makeOptions(); };
    $("half").onchange = (event) => { state.half = Number(event.target.value); setPlane(); };
    $("levels").onchange = (event) => change({ levels: event.target.checked });
    $("arrows").onchange = (event) => change({ arrows: event.target.value });
    $("reset").onclick = () => show({});
    $("copy").onclick = copy;
    $("add").onclick = () => {
      let at = 0; // towards where the most probable class is least so, among some places
      for (let i = 0; i < top.length; i += 37) if (top[i] < top[at]) at = i;
      state.prototypes.push([rounded(0.8 * xs[at % SIDE]), rounded(0.8 * ys[Math.floor(at / SIDE)])]);
      state.selected = state.prototypes.length - 1;
      makeItems();
      change({});
    };
    $("remove").onclick = () => {
      state.prototypes.splice(state.selected, 1);
      state.selected = Math.min(state.selected, state.prototypes.length - 1);
      makeItems();
      change({});
    };
    $("stage").addEventListener("click", (event) => moveTo(state.prototypes.length, ...under(event)));
    $("stage").addEventListener("keydown", onKey);
    const themed = new MutationObserver(() => { mixColours(); change({}); });
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    new ResizeObserver(() => {
      const lines = $("lines");
      lines.width = lines.height = Math.round($("stage").clientWidth * Math.min(2, devicePixelRatio));
      change({});
    }).observe($("stage"));
    document.getElementById("atlas").hidden = false;
    show({});
  }

  start();
  return { draw, get state() { return state; }, gradients, python, atProbe, regions, winner, top };
})();
