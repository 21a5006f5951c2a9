// The text under the cursor.
const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};
const visible = (step) => step.replace(/ /g, "\u00a0").replace(/\n/g, "↵").replace(/\t/g, "⇥") || "∅";
const quoted = (step) => `“${visible(step)}”`;
const unpack = ({ columns, greatest, levels }) => {
  const bytes = atob(levels);
  const at = (row, column) => ((bytes.charCodeAt(row * columns + column) - 128) / 127) * greatest;
  return { columns, greatest, at };
};
const paint = (node, share, most = 50) => {
  const color = share < 0 ? "var(--other)" : "var(--accent)";
  const part = Math.round(Math.min(Math.abs(share), 1) * most);
  node.style.background = part ? `color-mix(in srgb, ${color} ${part}%, transparent)` : "";
};

const read = (box) => {
  const data = JSON.parse(document.getElementById(box.dataset.key).textContent);
  const steps = data.steps;
  const depends = data.depends && unpack(data.depends);
  const values = data.values.map((value) => ({ name: value.name, ...unpack(value) }));
  let cursor = 0, from = null, to = null, notes = [];

  const select = make("select", { "aria-label": "value" }, ...values.map(({ name }) => make("option", {}, name)));
  const unit = make("input", { type: "number", min: 0, value: 0, "aria-label": "unit" });
  const modes = make("span", { class: "modes", role: "group", "aria-label": "color by" });
  const byDepends = make("button", { type: "button" }, "what it depends on");
  const byUnit = make("button", { type: "button" }, "a unit");
  modes.append(...(depends ? [byDepends] : []), ...(values.length ? [byUnit] : []));
  const controls = make("div", { class: "control" }, make("span", {}, "Color by"), modes);
  if (values.length) controls.append(select, make("label", { class: "unit" }, "unit ", unit));
  const text = make("div", { class: "text mono", tabindex: 0, role: "group",
    "aria-label": "The input. Arrow keys move the cursor, with Shift they select." });
  const spans = steps.map((step, place) => make("span", { "data-step": place }, visible(step)));
  steps.forEach((step, place) => {
    text.append(spans[place]);
    if (step.includes("\n")) text.append(make("br"));
    else if (steps.some((other) => other.length > 3)) text.append(" ");
  });
  const says = make("p", { class: "says", role: "status" });
  const strip = make("div", { class: "strip" });
  const found = make("div", { class: "found" });
  box.append(controls, text, says, strip, found);

  let mode = depends ? "depends" : "unit";
  if (data.start) [select.value, unit.value] = data.start;
  const chosen = () => values[Math.max(select.selectedIndex, 0)];
  const number_of = () => Math.max(0, Math.min(Number(unit.value) || 0, chosen().columns - 1));

  const describe = () => {
    const parts = [`Step ${cursor}, ${quoted(steps[cursor])}.`];
    if (depends) {
      const others = steps.map((_, place) => [depends.at(cursor, place), place]).filter(([size]) => size > 0);
      const most = others.sort((a, b) => b[0] - a[0]).slice(0, 4);
      if (most.length) parts.push("Depends most on " +
        most.map(([size, place]) => `${place} ${quoted(steps[place])} ${number(size)}`).join(", ") + ".");
    }
    if (values.length) parts.push(`Unit ${number_of()} of ${chosen().name}: ${number(chosen().at(cursor, number_of()))}.`);
    const expected = data.expects[cursor];
    if (expected) parts.push("Expects " +
      expected.map(([name, share]) => `${quoted(name)} ${Math.round(share * 100)} %`).join(", ") + ".");
    says.textContent = parts.join(" ");
  };
  const draw = () => {
    byDepends.setAttribute("aria-pressed", mode === "depends");
    byUnit.setAttribute("aria-pressed", mode === "unit");
    let greatest = 0;
    if (mode === "depends") steps.forEach((_, place) => { greatest = Math.max(greatest, depends.at(cursor, place)); });
    spans.forEach((span, place) => {
      paint(span, mode === "depends" ? depends.at(cursor, place) / (greatest || 1)
        : chosen().at(place, number_of()) / chosen().greatest);
      span.classList.toggle("cursor", place === cursor);
      span.classList.toggle("in", from !== null && place >= Math.min(from, to) && place <= Math.max(from, to));
    });
    describe();
  };
  const draw_strip = () => {
    if (!values.length) return;
    const prefix = chosen().name.replace(/[^.]*$/, "");
    const rows = values.filter(({ name, columns }) => name.startsWith(prefix) && !name.slice(prefix.length).includes(".")
      && number_of() < columns);
    strip.replaceChildren(make("p", { class: "note" }, `Unit ${number_of()} of ${prefix.slice(0, -1)}, step by step`),
      ...rows.map((row) => {
        const cells = steps.map((step, place) => {
          const value = row.at(place, number_of());
          const cell = make("i", { title: `${row.name}, ${place} ${quoted(step)}: ${number(value)}` });
          paint(cell, value / row.greatest, 90);
          return cell;
        });
        return make("div", { class: "lane" }, make("span", {}, row.name.slice(prefix.length)), make("div", {}, ...cells));
      }));
  };
  const draw_found = () => {
    if (from === null || !values.length) { found.replaceChildren(); return; }
    const [start, end] = [Math.min(from, to), Math.max(from, to) + 1];
    const { at, columns, greatest, name } = chosen();
    const on = (step, which) => Math.abs(at(step, which)) >= data.threshold * greatest;
    const within = [...Array(columns).keys()].filter((which) => {
      for (let step = start; step < end; step += 1) if (!on(step, which)) return false;
      return true;
    });
    const exact = within.filter((which) => !(start > 0 && on(start - 1, which)) && !(end < steps.length && on(end, which)));
    const units = exact.length ? exact : within;
    const shares = steps.map((_, step) => units.filter((which) => on(step, which)).length / (units.length || 1));
    const matches = [];
    for (let step = 0, first = null; step <= steps.length; step += 1) {
      const is_on = units.length > 0 && step < steps.length && shares[step] >= 0.5 && !(step >= start && step < end);
      if (is_on && first === null) first = step;
      if (!is_on && first !== null) { matches.push([first, step, Math.max(...shares.slice(first, step))]); first = null; }
    }
    matches.sort((a, b) => b[2] - a[2] || a[0] - b[0]);
    const words = (a, b) => steps.slice(a, b).map(visible).join(steps.some((step) => step.length > 3) ? " " : "");
    const go = ([a, b, share]) => {
      const button = make("button", { type: "button" }, `${a}–${b - 1} “${words(a, b).slice(0, 24)}” ${Math.round(share * 100)} %`);
      button.addEventListener("click", () => { cursor = a; draw(); spans[a].scrollIntoView({ block: "nearest" }); });
      return button;
    };
    const about = make("input", { type: "text", "aria-label": "a note about the selection", placeholder: "what these units do" });
    const keep = make("button", { type: "button" }, "keep the note");
    const list = make("ul", {}, ...notes.map((note) => make("li", {}, `${note.text}: ${note.start}–${note.end - 1} “${note.words}”, ${note.value} ${note.units.join(" ")}`)));
    keep.addEventListener("click", () => {
      if (!about.value.trim()) return;
      notes.push({ text: about.value.trim(), start, end, words: words(start, end), value: name, units: units.slice(0, 40) });
      draw_found();
    });
    const save = make("a", { download: "notes.json" }, "save the notes as JSON");
    save.href = `data:application/json,${encodeURIComponent(JSON.stringify(notes))}`;
    found.replaceChildren(
      make("p", {}, `On in steps ${start}–${end - 1} “${words(start, end)}”${exact.length ? ", and not right before and after" : ""}: `
        + (units.length ? `${units.length} units of ${name}: ${units.slice(0, 20).join(", ")}${units.length > 20 ? " …" : ""}` : "no unit")),
      make("p", { class: "matches" }, matches.length ? "Where else half of them or more are on: " : "Nowhere else are half of them on.", ...matches.slice(0, 12).map(go)),
      make("div", { class: "control" }, about, keep), list, ...(notes.length ? [make("p", {}, save)] : []));
  };

  const move = (place, extend) => {
    cursor = Math.max(0, Math.min(steps.length - 1, place));
    if (extend) { from = from === null ? cursor : from; to = cursor; draw_found(); }
    draw();
  };
  text.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10, Home: -steps.length, End: steps.length }[event.key];
    if (event.key === "Escape") { from = to = null; draw_found(); draw(); }
    if (!by) return;
    event.preventDefault();
    if (event.shiftKey && from === null) from = to = cursor;
    move(cursor + by, event.shiftKey);
  });
  const step_at = (event) => event.target.dataset && event.target.dataset.step;
  text.addEventListener("pointerdown", (event) => {
    if (step_at(event) === undefined) return;
    from = to = Number(step_at(event)); draw_found(); draw();
  });
  text.addEventListener("pointerover", (event) => {
    if (step_at(event) === undefined) return;
    move(Number(step_at(event)), event.buttons === 1 && from !== null);
  });
  const changed = () => { if (values.length) unit.max = chosen().columns - 1; draw_strip(); draw_found(); draw(); };
  byDepends.addEventListener("click", () => { mode = "depends"; draw(); });
  byUnit.addEventListener("click", () => { mode = "unit"; draw(); });
  for (const control of [select, unit]) control.addEventListener("input", () => { mode = "unit"; changed(); });
  for (const link of all(`[data-unit-of="${box.dataset.key}"]`)) {
    link.addEventListener("click", () => {
      [select.value, unit.value] = [link.dataset.value, link.dataset.unit];
      mode = "unit"; changed(); text.scrollIntoView({ block: "nearest" });
    });
  }
  // It begins where most of what matters came before.
  const reach = (at) => steps.reduce((sum, _, place) => sum + (place === at ? 0 : depends.at(at, place)), 0);
  const reaches = steps.map((_, place) => (depends && 3 * place > steps.length ? reach(place) : 0));
  cursor = Math.max(reaches.indexOf(Math.max(...reaches)), 0);
  changed();
};
all(".reader").forEach(read);
