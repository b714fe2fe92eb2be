// Logarithms of the book's distances, at every point of a grid in the plane: the arithmetic of
// the interactive atlas, checked against harmonic_lib by browser/test_interactive.py.
//
// A classic script, as modules do not load from file://. It ends in .mjs because Jupyter Book puts
// every *.js below _static on every page.
globalThis.harmonicDistances = (() => {
  "use strict";

  // The forms of each distance, and the options of each form. "ratio" and "angle" stand for the
  // precision matrix of Mahalanobis; see precision().
  const FORMS = {
    euclidean: { "": [] },
    manhattan: { "": [] },
    minkowski: { "": ["p"] },
    chebyshev: { maximum: [], smooth: ["smooth"] },
    cosine: { "": [] },
    hamming: { soft: ["temperature", "threshold"], gumbel: ["temperature", "threshold"], hard: ["threshold"] },
    canberra: { standard: [], robust: ["min_denom"], weighted: ["weight_power"] },
    bray_curtis: { standard: [], abs: [], normalized: [] },
    mahalanobis: { full: ["ratio", "angle"], cholesky: ["ratio", "angle"], diagonal: ["ratio"] },
  };

  // A distance below this counts as this, as in harmonic_lib in float64.
  const LOG_FLOOR = Math.log(2 ** -1022 / Number.EPSILON);

  const { abs, exp, expm1, log, log1p, max, sqrt, tanh } = Math;
  const gap = (x, w) => abs(x - w);
  const size = (x, w) => abs(x) + abs(w);
  const share = (part, whole) => (whole > 0 ? part / whole : 0);
  const sigmoid = (v) => 1 / (1 + exp(-v));
  const floored = (v) => (v > LOG_FLOOR ? v : LOG_FLOOR);

  // The precision matrix whose unit ball is `ratio` times as long as it is wide, with its long side
  // at `angle` degrees to the first axis: [P11, P12, P22], of determinant 1.
  function precision(form, { ratio, angle }) {
    if (form === "diagonal") return [1 / ratio, 0, ratio];
    const turn = (angle * Math.PI) / 180;
    const c = Math.cos(turn), s = Math.sin(turn);
    return [(c * c) / ratio + s * s * ratio, c * s * (1 / ratio - ratio), (s * s) / ratio + c * c * ratio];
  }

  // How a distance comes about: the loop over the grid, and what one coordinate contributes to it.
  function plan(name, form, o) {
    switch (name) {
      case "euclidean": return { loop: sum, power: 1 / 2, part: (x, w) => (x - w) ** 2 };
      case "manhattan": return { loop: sum, power: 1, part: gap };
      case "minkowski": return { loop: sum, power: 1 / o.p, part: (x, w) => gap(x, w) ** o.p };
      case "chebyshev":
        if (form === "maximum") return { loop: largest, part: gap };
        return { loop: logMean, alpha: o.smooth, part: (x, w) => expm1(o.smooth * gap(x, w)) };
      case "cosine": return { loop: angle };
      case "hamming":
        if (form === "hard") {
          return { loop: sum, power: 1, part: (x, w) => (x > o.threshold === w > o.threshold ? 0 : 0.5) };
        }
        return { loop: sum, power: 1, part: (x, w) => halfOfBits(x, w, o) }; // gumbel, in evaluation, is soft
      case "canberra": {
        if (form === "weighted") {
          return {
            loop: ratio,
            part: (x, w) => size(x, w) ** o.weight_power * share(gap(x, w), size(x, w)),
            whole: (x, w) => size(x, w) ** o.weight_power,
          };
        }
        const least = form === "robust" ? o.min_denom : 0;
        return { loop: sum, power: 1, part: (x, w) => share(gap(x, w), max(size(x, w), least)) };
      }
      case "bray_curtis":
        if (form === "normalized") return { loop: composition };
        if (form === "abs") return { loop: ratio, part: gap, whole: size };
        return { loop: ratio, part: gap, whole: (x, w) => abs(x + w), least: (x, w) => Number.EPSILON * size(x, w) };
      case "mahalanobis": return { loop: ellipse, matrix: precision(form, o) };
    }
    throw new Error(`unknown distance ${name}`);
  }

  // |sigmoid(a) - sigmoid(b)| / 2 without a difference of close numbers.
  function halfOfBits(x, w, { temperature, threshold }) {
    const a = (x - threshold) / temperature, b = (w - threshold) / temperature;
    return (tanh(abs(a - b) / 2) * (sigmoid(a) * sigmoid(-b) + sigmoid(-a) * sigmoid(b))) / 2;
  }

  // What each coordinate contributes is worked out once a column and once a row, in these.
  let tables = [];
  function table(which, values, w, part) {
    if (!tables[which] || tables[which].length !== values.length) tables[which] = new Float64Array(values.length);
    const filled = tables[which];
    for (let i = 0; i < filled.length; i++) filled[i] = part ? part(values[i], w) : 0;
    return filled;
  }

  function sum({ power, part }, wx, wy, xs, ys, out, at) {
    const a = table(0, xs, wx, part), b = table(1, ys, wy, part);
    for (let j = 0; j < b.length; j++) {
      const of_row = b[j];
      for (let i = 0; i < a.length; i++) out[at++] = floored(power * log(a[i] + of_row));
    }
  }

  function largest({ part }, wx, wy, xs, ys, out, at) {
    const a = table(0, xs, wx, part), b = table(1, ys, wy, part);
    for (let j = 0; j < b.length; j++) {
      const of_row = b[j];
      for (let i = 0; i < a.length; i++) out[at++] = floored(log(a[i] > of_row ? a[i] : of_row));
    }
  }

  function logMean({ alpha, part }, wx, wy, xs, ys, out, at) {
    const a = table(0, xs, wx, part), b = table(1, ys, wy, part);
    for (let j = 0; j < b.length; j++) {
      const of_row = b[j];
      for (let i = 0; i < a.length; i++) {
        const mean = (a[i] + of_row) / 2;
        out[at++] = floored(log((mean > 0.01 ? log(1 + mean) : log1p(mean)) / alpha)); // log1p is slow
      }
    }
  }

  function ratio({ part, whole, least }, wx, wy, xs, ys, out, at) {
    const a = table(0, xs, wx, part), b = table(1, ys, wy, part);
    const c = table(2, xs, wx, whole), d = table(3, ys, wy, whole);
    const e = table(4, xs, wx, least), f = table(5, ys, wy, least);
    for (let j = 0; j < b.length; j++) {
      for (let i = 0; i < a.length; i++) {
        const above = a[i] + b[j], below = c[i] + d[j], lowest = e[i] + f[j];
        out[at++] = above > 0 ? floored(log(above / (below > lowest ? below : lowest))) : LOG_FLOOR;
      }
    }
  }

  // 1 - cos as half the squared distance of the unit vectors; a zero vector is at 1 to everything.
  function angle(_, wx, wy, xs, ys, out, at) {
    const of_w = sqrt(wx * wx + wy * wy), ux = wx / of_w, uy = wy / of_w;
    for (let j = 0; j < ys.length; j++) {
      const y = ys[j];
      for (let i = 0; i < xs.length; i++) {
        const x = xs[i], inverse = 1 / sqrt(x * x + y * y);
        const dx = x * inverse - ux, dy = y * inverse - uy;
        const half = (dx * dx + dy * dy) / 2; // NaN where there is no direction
        out[at++] = half >= 0 ? floored(log(half)) : 0;
      }
    }
  }

  // The difference of the first coordinate's shares; a zero vector is at 1 to everything.
  function composition(_, wx, wy, xs, ys, out, at) {
    const whole = size(wx, wy), of_w = abs(wx) / whole;
    for (let j = 0; j < ys.length; j++) {
      for (let i = 0; i < xs.length; i++) {
        const total = size(xs[i], ys[j]);
        out[at++] = total > 0 && whole > 0 ? floored(log(abs(abs(xs[i]) / total - of_w))) : 0;
      }
    }
  }

  function ellipse({ matrix }, wx, wy, xs, ys, out, at) {
    const [p, q, r] = matrix;
    for (let j = 0; j < ys.length; j++) {
      const dy = ys[j] - wy, across = 2 * q * dy, of_row = r * dy * dy;
      for (let i = 0; i < xs.length; i++) {
        const dx = xs[i] - wx;
        out[at++] = floored(log((p * dx + across) * dx + of_row) / 2);
      }
    }
  }

  // log d of each point (xs[i], ys[j]) to each prototype (w[2k], w[2k + 1]): out[(k rows + j) columns + i].
  function logDistances({ name, form, options }, w, xs, ys, out) {
    const how = plan(name, form, options);
    for (let k = 0; 2 * k < w.length; k++) {
      how.loop(how, w[2 * k], w[2 * k + 1], xs, ys, out, k * xs.length * ys.length);
    }
    return out;
  }

  // HarMax of the log distances at one place: p_k = d_k^-n / sum_j d_j^-n.
  function harmax(logs, exponent) {
    const least = Math.min(...logs);
    const powers = logs.map((l) => exp(exponent * (least - l)));
    const total = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / total);
  }

  // Of each place, from log distances in the layout of logDistances: the most probable class, or
  // TIE where the second is as near, and the probability of the first.
  const TIE = 255, CLOSE = 1e-9;
  function classify(logs, classes, exponent, winner, top) {
    const places = winner.length;
    for (let at = 0; at < places; at++) {
      let least = Infinity, second = Infinity, best = 0;
      for (let k = 0, i = at; k < classes; k++, i += places) {
        const l = logs[i];
        if (l < least) { second = least; least = l; best = k; } else if (l < second) second = l;
      }
      let total = 0;
      for (let k = 0, i = at; k < classes; k++, i += places) {
        total += k === best ? 1 : exp(exponent * (least - logs[i]));
      }
      winner[at] = second - least < CLOSE ? TIE : best;
      top[at] = 1 / total;
    }
  }

  return { FORMS, TIE, classify, harmax, logDistances, precision };
})();
