// Finds flows by name or state, and opens or closes all steps. Everything else on the page needs no script.
"use strict";
const search = document.getElementById("search");
const changed = document.getElementById("changed");
const rows = [...document.querySelectorAll("[data-flow]")];
function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const row of rows) {
    const named = row.dataset.flow.toLowerCase().includes(wanted);
    row.hidden = !named || (changed.checked && row.dataset.same === "yes");
  }
  const shown = new Set(rows.filter((row) => !row.hidden).map((row) => row.dataset.flow)).size;
  document.getElementById("shown").textContent = `${shown} flows shown`;
}
search.addEventListener("input", filter);
changed.addEventListener("change", filter);
document.getElementById("open").addEventListener("click", (event) => {
  const all = [...document.querySelectorAll("details.row:not([hidden])")];
  const open = all.some((row) => !row.open);
  for (const row of all) row.open = open;
  event.target.setAttribute("aria-expanded", String(open));
});
document.getElementById("tools").hidden = false;
filter();
