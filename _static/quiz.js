// Quizzes: answer and reason are JSON in base64 (harmonic_lib/book/quiz.py).
(() => {
  function verdict(question) {
    const chosen = question.querySelector("input:checked");
    if (!chosen) return "Choose an answer first.";
    const { answer, because } = JSON.parse(atob(question.dataset.encoded));
    return Number(chosen.value) === answer ? `Right. ${because}` : "Not this one. Think again.";
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
