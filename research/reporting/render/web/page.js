"use strict";

// A click on a column's heading sorts the rows of each part: descending, ascending, original order.
// Names are sorted ascending first.
function makeSortable(table) {
  const heads = [...table.tHead.rows[1].cells];
  const parts = [...table.tBodies].map((body) => {
    const titles = [...body.rows].filter((row) => row.classList.contains("baselines"));
    return { body, titles, rows: [...body.rows].filter((row) => !titles.includes(row)) };
  });
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const orders = column ? ["descending", "ascending", null] : ["ascending", "descending", null];
      const current = head.getAttribute("aria-sort");
      const next = orders[(orders.indexOf(current) + 1) % orders.length];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      for (const { body, titles, rows } of parts) {
        body.append(...titles, ...(next ? sorted(rows, column, next) : rows));
      }
    });
  });
}

// Rows without a value are last in both directions; equal rows keep their order.
function sorted(rows, column, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const value = (row) => {
    const cell = row.cells[column];
    if (column === 0) return cell.textContent;
    return "order" in cell.dataset ? Number(cell.dataset.order) : null;
  };
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
}

// Hovering over a number or a point shows a tooltip; a click keeps it, so that ids can be copied.
function addTooltips() {
  const box = document.createElement("div");
  box.className = "tip";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  document.body.append(box);
  document.querySelectorAll(".point").forEach((point) => {
    const title = point.querySelector("title");
    point.dataset.tip = title.textContent;
    title.remove();
  });
  document.querySelectorAll("td[title]").forEach((cell) => {
    cell.dataset.tip = cell.title;
    cell.removeAttribute("title");
  });
  let pinned = false;
  const hide = () => { box.hidden = true; pinned = false; box.classList.remove("pinned"); };
  const show = (target) => {
    const lines = target.dataset.tip.split("\n");
    const ids = document.createElement("span");
    ids.className = "ids";
    ids.textContent = lines.pop();
    box.replaceChildren(lines.join("\n"), ids);
    box.hidden = false;
    const area = target.getBoundingClientRect();
    const below = area.bottom + box.offsetHeight + 12 < innerHeight;
    const centre = area.left + area.width / 2 - box.offsetWidth / 2;
    const left = Math.min(Math.max(centre, 8), innerWidth - box.offsetWidth - 12);
    const top = below ? area.bottom + 8 : area.top - box.offsetHeight - 8;
    box.style.left = `${Math.max(left, 4) + scrollX}px`;
    box.style.top = `${top + scrollY}px`;
  };
  document.addEventListener("pointerover", (event) => {
    if (pinned) return;
    const target = event.target.closest("[data-tip]");
    if (target) show(target); else hide();
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-tip]");
    if (target) { hide(); show(target); pinned = true; box.classList.add("pinned"); }
    else if (!event.target.closest(".tip")) hide();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}

// Hovering over an approach in the key or a figure fades the other approaches in all figures.
function addHighlights() {
  const elements = [...document.querySelectorAll("[data-row]")];
  let highlighted = null;
  const highlight = (row) => {
    if (row === highlighted) return;
    highlighted = row;
    document.body.classList.toggle("highlighting", row !== null);
    elements.forEach((element) => {
      element.classList.toggle("highlighted", element.dataset.row === row);
    });
  };
  const rowOf = (event) =>
    event.target.closest(".key [data-row], .panel [data-row]")?.dataset.row ?? null;
  document.addEventListener("pointerover", (event) => highlight(rowOf(event)));
  document.addEventListener("focusin", (event) => highlight(rowOf(event)));
  document.addEventListener("focusout", () => highlight(null));
}

document.querySelectorAll(".scripted").forEach((text) => { text.hidden = false; });
document.querySelectorAll("table").forEach(makeSortable);
addTooltips();
addHighlights();
