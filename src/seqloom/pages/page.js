// What every page does. `page.py` puts it, and what else a page needs, into one function.
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
document.documentElement.classList.add("js");

// Three significant figures, as Python writes them.
const number = (value) => {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const plain = size === 0 || (size >= 1e-3 && size < 1e6);
  return (plain ? String(Number(value.toPrecision(3))) : value.toExponential(2)).replace("-", "−");
};

// Sliders and steppers: frames that were made beforehand.
for (const figure of all("figure.frames")) {
  const range = figure.querySelector("input[type=range]");
  const output = figure.querySelector("output");
  const frames = all(":scope > .stage > div", figure);
  const show = (place) => {
    range.value = Math.max(0, Math.min(frames.length - 1, place));
    frames.forEach((frame, turn) => frame.classList.toggle("now", turn === Number(range.value)));
    const name = frames[range.value].dataset.frame;
    output.textContent = name;
    range.setAttribute("aria-valuetext", name);
  };
  range.addEventListener("input", () => show(Number(range.value)));
  for (const button of all("button[data-by]", figure)) {
    button.addEventListener("click", () => show(Number(range.value) + Number(button.dataset.by)));
  }
  show(Number(range.value));
}

// Large heat strips are pictures: say what is under the pointer.
for (const area of all(".read")) {
  const output = area.closest("figure").querySelector(".key output");
  const rows = area.dataset.rows.split("\n");
  const columns = area.dataset.columns.split("\n");
  const low = Number(area.dataset.low);
  const high = Number(area.dataset.high);
  const levels = area.dataset.levels.split(" ").map(atob);
  area.addEventListener("pointermove", (event) => {
    const box = area.getBoundingClientRect();
    const clip = (share, count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
    const row = clip((event.clientY - box.top) / box.height, rows.length);
    const column = clip((event.clientX - box.left) / box.width, columns.length);
    const level = levels[row].charCodeAt(column) - 128;
    const value = level >= 0 ? (level / 127) * high : (-level / 128) * low;
    output.textContent = `${rows[row]}, ${columns[column]}: ${number(value)}`;
  });
  area.addEventListener("pointerleave", () => { output.textContent = ""; });
}
