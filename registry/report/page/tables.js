// Tables that a heading sorts: numbers by value, words by alphabet; a second press turns the order around.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const values = [...body.rows].map((row) => valueOf(row, column)).filter((value) => value !== "" && value !== "–");
    const numeric = values.length > 0 && values.every((value) => !Number.isNaN(parseFloat(value.replaceAll(",", ""))));
    if (numeric && heading.textContent !== "run") {
      heading.classList.add("number");
      for (const row of body.rows) row.cells[column].classList.toggle("number", row.cells[column].tagName === "TD");
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending" || (numeric && !heading.hasAttribute("aria-sort"));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const key = (row) => {
        const value = valueOf(row, column);
        if (!numeric) return value;
        const number = parseFloat(value.replaceAll(",", ""));
        return Number.isNaN(number) ? -sign * Infinity : number;
      };
      const compare = (one, other) => (numeric ? key(one) - key(other) : key(one).localeCompare(key(other), "en", { numeric: true }));
      body.append(...[...body.rows].sort((one, other) => sign * compare(one, other)));
    });
  });
});
// A link to a closed run opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) target.closest("details")?.setAttribute("open", "");
}
addEventListener("hashchange", openTarget);
openTarget();
