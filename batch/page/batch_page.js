// Shows only the jobs whose text contains the words and whose status is chosen.
const words = document.querySelector("#words");
const boxes = [...document.querySelectorAll(".choose input[type=checkbox]")];
const rows = [...document.querySelectorAll(".jobs tbody tr")];
const texts = rows.map((row) => row.textContent.toLowerCase());
const shown = document.querySelector("#shown");

function choose() {
  const wanted = words.value.toLowerCase().split(/\s+/);
  const statuses = boxes.filter(({ checked }) => checked).map(({ value }) => value);
  let count = 0;
  for (const [i, row] of rows.entries()) {
    row.hidden = !statuses.includes(row.className) ||
      !wanted.every((word) => texts[i].includes(word));
    if (!row.hidden) count++;
  }
  shown.textContent = count === rows.length ? "" : `${count} of ${rows.length} jobs`;
}

for (const input of [words, ...boxes]) input.addEventListener("input", choose);
choose();
