// Quizzes: a sealed reason (harmonic_lib/book/quiz.py) opens with the number of the right option.
(() => {
  const hash = (bytes) => bytes.reduce((value, byte) => Math.imul(value ^ byte, 0x01000193) >>> 0, 0x811c9dc5);

  function open(sealed, key) {
    let state = hash(new TextEncoder().encode(key)) || 1;
    const text = Uint8Array.from(atob(sealed), (character) => {
      state = (state ^ (state << 13)) >>> 0;
      state = (state ^ (state >>> 17)) >>> 0;
      state = (state ^ (state << 5)) >>> 0;
      return character.charCodeAt(0) ^ (state & 0xff);
    });
    const check = new DataView(text.buffer).getUint32(0, true);
    const reason = text.subarray(4);
    return hash(reason) === check ? new TextDecoder().decode(reason) : null;
  }

  function verdict(question) {
    const chosen = question.querySelector("input:checked");
    if (!chosen) return "Choose an answer first.";
    const reason = open(question.dataset.sealed, `${question.dataset.salt}:${chosen.value}`);
    return reason === null ? "Not this one. Think again." : `Right. ${reason}`;
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const question of document.querySelectorAll(".quiz fieldset")) {
      const output = question.querySelector("output");
      question.querySelector("button").addEventListener("click", () => {
        output.textContent = verdict(question);
      });
      question.addEventListener("change", () => (output.textContent = ""));
    }
    for (const form of document.querySelectorAll("form.quiz")) form.addEventListener("submit", (event) => event.preventDefault());
  });
})();
