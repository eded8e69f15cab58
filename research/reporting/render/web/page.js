"use strict";

// A click on a column's head sorts the rows of each part: greatest first, least first, as they were.
function sortable(table) {
  const heads = [...table.tHead.rows[1].cells];
  const parts = [...table.tBodies].map((body) => {
    const fixed = [...body.rows].filter((row) => row.classList.contains("apart"));
    return { body, fixed, rows: [...body.rows].filter((row) => !fixed.includes(row)) };
  });
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const turns = column ? ["descending", "ascending", null] : ["ascending", "descending", null];
      const now = head.getAttribute("aria-sort");
      const next = turns[(turns.indexOf(now) + 1) % turns.length];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      for (const { body, fixed, rows } of parts) {
        body.append(...fixed, ...(next ? sorted(rows, column, next) : rows));
      }
    });
  });
}

// Rows without a value stand last, whichever way; equal ones stay as they were.
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

// What pointing at a number or a point shows; a click keeps it, so that ids can be copied.
function tips() {
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
    const at = target.getBoundingClientRect();
    const below = at.bottom + box.offsetHeight + 12 < innerHeight;
    const left = Math.min(Math.max(at.left + at.width / 2 - box.offsetWidth / 2, 8), innerWidth - box.offsetWidth - 12);
    box.style.left = `${Math.max(left, 4) + scrollX}px`;
    box.style.top = `${(below ? at.bottom + 8 : at.top - box.offsetHeight - 8) + scrollY}px`;
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

// Pointing at an approach anywhere lets the others fade in all figures.
function highlights() {
  const all = [...document.querySelectorAll("[data-row]")];
  let chosen = null;
  const choose = (row) => {
    if (row === chosen) return;
    chosen = row;
    document.body.classList.toggle("choosing", row !== null);
    all.forEach((one) => one.classList.toggle("hot", one.dataset.row === row));
  };
  const at = (event) => event.target.closest(".key [data-row], .panel [data-row]")?.dataset.row ?? null;
  document.addEventListener("pointerover", (event) => choose(at(event)));
  document.addEventListener("focusin", (event) => choose(at(event)));
  document.addEventListener("focusout", () => choose(null));
}

document.querySelectorAll(".scripted").forEach((text) => { text.hidden = false; });
document.querySelectorAll("table").forEach(sortable);
tips();
highlights();
