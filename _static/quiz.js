// Quizzes, on pages and in notebooks: answer and reason are JSON in base64 (harmonic_lib/book/quiz.py).
// One listener for all of them: in a notebook the form may come later than the script, or anew.
(() => {
  function verdict(question) {
    const chosen = question.querySelector("input:checked");
    if (!chosen) return "Choose an answer first.";
    const { answer, because } = JSON.parse(atob(question.dataset.encoded));
    return Number(chosen.value) === answer ? "Right. " + because : "Not this one. Think again.";
  }

  const say = (event, wanted, words) => {
    const question = event.target.closest(".quiz fieldset");
    if (question && event.target.closest(wanted)) question.querySelector("output").textContent = words(question);
  };
  document.addEventListener("click", (event) => say(event, "button", verdict));
  document.addEventListener("change", (event) => say(event, "input", () => ""));
  document.addEventListener("submit", (event) => event.target.matches("form.quiz") && event.preventDefault());
})();
