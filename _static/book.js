// A box that scrolls must be reachable by keyboard (axe scrollable-region-focusable): give it a tab stop while it overflows.
document.addEventListener("DOMContentLoaded", () => {
  const boxes = document.querySelectorAll(".math-scroll, .pst-scrollable-table-container, .cell_output > .output, .bd-article pre");
  const update = (box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  };
  const watcher = new ResizeObserver((entries) => entries.forEach((entry) => update(entry.target)));
  boxes.forEach((box) => watcher.observe(box));
  document.fonts.ready.then(() => boxes.forEach(update));
});
