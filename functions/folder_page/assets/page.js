"use strict";
// Sorts and filters the table. The page is whole without it.
(() => {
  const at = (id) => document.getElementById(id);
  const body = document.querySelector("tbody");
  const headings = [...document.querySelectorAll("thead th")];
  const rows = [...body.rows];
  const texts = rows.map((row) =>
    `${row.cells[1].title} ${[...row.querySelectorAll(".why")].map((why) => why.textContent).join(" ")} ${row.id}`.toLowerCase());

  const number = (cell) => (cell.dataset.value === undefined ? null : Number(cell.dataset.value));
  const keys = {
    rank: number,
    number,
    text: (cell) => cell.title || cell.textContent,
  };
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;

  function sort(heading) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const key = keys[heading.dataset.kind];
    const column = headings.indexOf(heading);
    const keyed = [...body.rows].map((row) => [key(row.cells[column]), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what has no value stays at the end
      const order = typeof a === "number" ? a - b : compare(a, b);
      return down ? -order : order;
    });
    body.append(...keyed.map(([, row]) => row));
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  function filter() {
    const words = at("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = at("state").value;
    const checks = at("checks")?.value;
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = (state && row.dataset.state !== state) || (checks && row.dataset.checks !== checks)
        || !words.every((word) => texts[i].includes(word));
      shown += !row.hidden;
    });
    at("told").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
  }

  document.querySelector("thead").addEventListener("click", (event) => {
    if (event.target.tagName === "BUTTON") sort(event.target.parentElement);
  });
  at("find").addEventListener("input", filter);
  at("state").addEventListener("change", filter);
  at("checks")?.addEventListener("change", filter);
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  filter();
})();
