// Moves all clips of the page to the same frame.
const slider = document.getElementById("frame");
const button = document.getElementById("play");
const number = document.getElementById("number");
const clips = [...document.querySelectorAll(".clip")].map((clip) => ({
  view: clip.querySelector(".view"),
  now: clip.querySelector(".now"),
  labels: JSON.parse(clip.dataset.psnr),
}));
const last = Number(slider.max);
let timer;

function show(frame) {
  slider.value = String(frame);
  number.textContent = String(frame);
  for (const { view, now, labels } of clips) {
    view.style.backgroundPositionY = last > 0 ? `${100 * frame / last}%` : "0";
    now.textContent = `${frame}: ${labels[frame]}`;
  }
}

function stop() {
  clearInterval(timer);
  timer = undefined;
  button.textContent = "Play";
}

slider.addEventListener("input", () => {
  stop();
  show(Number(slider.value));
});
button.addEventListener("click", () => {
  if (timer) return stop();
  button.textContent = "Stop";
  timer = setInterval(() => show((Number(slider.value) + 1) % (last + 1)), 125);
});
show(last);
