// The player: draws frames as they arrive, and sends pressed keys, buttons and swipes.

import { Film } from "./film.js";
import { copy } from "./saving.js";

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const context = canvas.getContext("2d");
const KEY_NAMES = {
  arrowup: "\u2191",
  arrowdown: "\u2193",
  arrowleft: "\u2190",
  arrowright: "\u2192",
  " ": "space",
};
const STEPS = [1, 2, 4, 8, 16, 25, 50];
/** Milliseconds after which the page says that a frame is being computed. */
const PATIENCE_MS = 1000;
/** Screen pixels that make a swipe. */
const SWIPE = 24;
const HISTORY_RUNS = 200;

let link;
let welcome;
let state;
/** Frames per second seen with each number of steps. */
const rates = new Map();
let patience;
/** Runs of [action name, count] since the last restart. */
let history = [];
/** Keys and pointers that hold each action. */
const holders = new Map();

function tell(message) {
  link.tell(message);
  expectFrame();
}

function showConnection(isThere) {
  byId("connection").textContent = isThere ? "connected" : "not connected";
  byId("lost").hidden = isThere;
  byId("controls").disabled = !isThere;
  document.body.classList.toggle("lost", !isThere);
  if (!isThere) stopWaiting();
}

/** A frame was requested; says so if it takes long. */
function expectFrame() {
  clearTimeout(patience);
  const isDue = state?.running || [...holders.values()].some(({ size }) => size > 0);
  if (isDue) patience = setTimeout(() => byId("computing").hidden = false, PATIENCE_MS);
}

function stopWaiting() {
  clearTimeout(patience);
  byId("computing").hidden = true;
}

function hear(message) {
  if (message.type === "welcome") setUp(message);
  if (message.type === "state") showState(message);
  if (message.type === "command") takeCommand(message.command);
  if (message.type === "error") showError(message.message);
}

function showError(text) {
  byId("error").textContent = text;
  byId("error").hidden = text === "";
}

function setUp(message) {
  welcome = message;
  document.title = `far play: ${welcome.model}`;
  byId("model").textContent = welcome.model;
  byId("description").textContent = welcome.description;
  canvas.width = welcome.width;
  canvas.height = welcome.height;
  byId("actions").replaceChildren(...welcome.actions.map(actionButton));
  byId("clips").replaceChildren(...welcome.clips.map(clipButton));
  const labels = welcome.labels ?? [];
  byId("labels").replaceChildren(...labels.map((name) => new Option(name)));
  byId("label-row").hidden = labels.length === 0;
  byId("session-row").hidden = !link.session;
  film.clear();
  byId("guidance").max = welcome.limits.guidance;
  byId("guidance-row").hidden = !welcome.guided;
  const save = byId("save");
  save.setAttribute("aria-disabled", String(welcome.unsaveable !== undefined));
  save.title = welcome.unsaveable ??
    "The session as a video; of a long one the newest 64 MB (use --record FILE to keep everything)";
}

function showState(message) {
  state = message;
  const { clip, settings, running, frames, history: text } = message;
  for (const button of byId("clips").children) {
    button.setAttribute("aria-pressed", String(button.dataset.clip === clip));
  }
  if (message.label !== undefined) byId("label").value = welcome.labels[message.label];
  if (message.at !== undefined) film.show(message.at);
  byId("run").setAttribute("aria-pressed", String(running));
  showSteps();
  byId("guidance").value = settings.guidance;
  byId("guidance-value").value = settings.guidance;
  history = text === "" ? [] : text.split(",").map((item) => {
    const [, name, count] = /^(.*?)(?:\*(\d+))?$/.exec(item);
    return [name, Number(count ?? 1)];
  });
  showHistory();
  showFrames(frames);
  showError("");
}

/** Buttons for the usual numbers of steps and the one in use, with the rate of each. */
function showSteps() {
  const { steps } = state.settings;
  const numbers = [...new Set([...STEPS, steps])].sort((a, b) => a - b);
  const box = byId("steps");
  if (box.childElementCount !== numbers.length) {
    box.replaceChildren(...numbers.map(stepsButton));
  }
  for (const button of box.children) {
    const number = Number(button.dataset.steps);
    button.setAttribute("aria-pressed", String(number === steps));
    const rate = rates.get(number);
    button.lastChild.textContent = rate ? `${rate.toFixed(1)}/s` : "";
  }
}

function stepsButton(steps) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.steps = steps;
  button.append(steps, document.createElement("small"));
  button.onclick = () => tell({ type: "settings", steps });
  return button;
}

/** A beginning, with what it looks like. */
function clipButton({ name, picture }) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.clip = name;
  if (picture) {
    const image = new Image();
    image.src = picture;
    image.alt = "";
    button.append(image);
  }
  button.append(name);
  button.onclick = () => {
    tell({ type: "restart", clip: name });
    canvas.focus();
  };
  return button;
}

let sessionFrames = 0;

function showFrames(frames) {
  sessionFrames = frames;
  byId("frames").textContent = `${frames} frames`;
}

function show(buffer) {
  const view = new DataView(buffer);
  const index = view.getUint32(0, true);
  const rate = view.getFloat32(4, true);
  const action = view.getInt32(8, true);
  const image = imageOf(
    view.getUint16(12, true),
    view.getUint16(14, true),
    new Uint8Array(buffer, 24),
  );
  context.putImageData(image, 0, 0);
  stopWaiting();
  expectFrame();
  if (rate > 0 && state) {
    rates.set(state.settings.steps, rate);
    showSteps();
  }
  const name = welcome.actions[action]?.name;
  film.add({
    id: view.getUint32(16, true),
    parent: view.getInt32(20, true),
    index,
    action: name,
    image,
  });
  byId("frame").textContent = `frame ${index}`;
  byId("rate").textContent = rate > 0 ? `${rate.toFixed(1)} frames/s` : "";
  byId("action").textContent = name ?? "";
  showFrames(sessionFrames + 1);
  if (name !== undefined) remember(name);
}

function imageOf(width, height, rgb) {
  const image = context.createImageData(width, height);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    image.data[to] = rgb[from];
    image.data[to + 1] = rgb[from + 1];
    image.data[to + 2] = rgb[from + 2];
    image.data[to + 3] = 255;
  }
  return image;
}

function remember(name) {
  const last = history.at(-1);
  if (last?.[0] === name) last[1]++;
  else history.push([name, 1]);
  if (history.length > HISTORY_RUNS) history.shift();
  showHistory();
}

function showHistory() {
  byId("history").textContent = history
    .map(([name, count]) => count > 1 ? `${name}*${count}` : name).join(",");
}

function actionButton({ action, name, keys }) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.action = action;
  button.dataset.place = keys.find((key) => key in KEY_NAMES) ?? "";
  button.setAttribute("aria-pressed", "false");
  const hint = document.createElement("kbd");
  hint.textContent = keys.map((key) => KEY_NAMES[key] ?? key).join(" ");
  button.append(name, hint);
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    hold(action, `pointer ${event.pointerId}`);
  };
  const end = (event) => letGo(action, `pointer ${event.pointerId}`);
  button.onpointerup = end;
  button.onpointercancel = end;
  button.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (!event.repeat) hold(action, `key ${event.code}`);
  };
  button.oncontextmenu = (event) => event.preventDefault();
  return button;
}

function hold(action, by) {
  const held = holders.get(action) ?? new Set();
  holders.set(action, held);
  if (held.size === 0) tell({ type: "press", action });
  held.add(by);
  mark(action, true);
}

function letGo(action, by) {
  const held = holders.get(action);
  if (!held?.delete(by) || held.size > 0) return;
  tell({ type: "release", action });
  mark(action, false);
}

function letGoOfAll() {
  for (const [action, held] of holders) {
    held.clear();
    mark(action, false);
  }
  tell({ type: "clear" });
}

function mark(action, held) {
  document.querySelector(`[data-action="${action}"]`)
    ?.setAttribute("aria-pressed", String(held));
}

/** The action of a key, unless the key belongs to a slider or the list of clips. */
function keyAction(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
  if (event.target.matches("input, select")) return undefined;
  const key = event.key.toLowerCase();
  if (key === " " && event.target.matches("button, input, a, summary")) return undefined;
  return welcome?.actions.find(({ keys }) => keys.includes(key))?.action;
}

addEventListener("keydown", (event) => {
  const action = keyAction(event);
  if (action === undefined) return;
  event.preventDefault();
  if (!event.repeat) hold(action, `key ${event.code}`);
});
// the meaning of a key may have changed while it was pressed, by Shift, Control or focus
addEventListener("keyup", ({ code }) => {
  for (const action of holders.keys()) letGo(action, `key ${code}`);
});
addEventListener("blur", letGoOfAll);

byId("restart").onclick = () => tell({ type: "restart", clip: state.clip });
byId("label").onchange = ({ target }) => {
  const label = welcome.labels.findIndex((name) =>
    name.toLowerCase() === target.value.toLowerCase()
  );
  if (label < 0) return showError(`There is no class "${target.value}"`);
  tell({ type: "restart", clip: state.clip, label });
  canvas.focus();
};
byId("save-mp4").onclick = () => link.save("mp4", film.at);
byId("share-gif").onclick = () => link.save("gif", film.at);
byId("copy-command").onclick = () => tell({ type: "command" });

/** The command that makes these frames again, or why there is none. */
async function takeCommand(command) {
  if (command === undefined) {
    return showError(
      "No command makes these frames again: the settings changed on the way, or the world has begun to forget.",
    );
  }
  await copy(command);
  byId("copied").textContent = "copied";
  setTimeout(() => byId("copied").textContent = "", 2000);
}

const film = new Film((frame) => {
  tell({ type: "back", frame });
  canvas.focus();
});

byId("run").onclick = () => tell({ type: "run", on: !state?.running });
const guidance = byId("guidance");
guidance.oninput = () => byId("guidance-value").value = guidance.value;
guidance.onchange = () => tell({ type: "settings", guidance: Number(guidance.value) });
guidance.onpointerup = () => canvas.focus(); // otherwise the next arrow key moves it

/** Start of a finger's swipe, and the action it holds. */
let swipe;

canvas.onpointerdown = ({ pointerId, clientX: x, clientY: y }) => {
  canvas.setPointerCapture(pointerId);
  swipe = { pointerId, x, y, action: undefined };
};
canvas.onpointermove = ({ pointerId, clientX, clientY }) => {
  if (swipe?.pointerId !== pointerId) return;
  const [x, y] = [clientX - swipe.x, clientY - swipe.y];
  if (Math.hypot(x, y) < SWIPE) return;
  const across = Math.abs(x) > Math.abs(y);
  const key = across ? (x < 0 ? "arrowleft" : "arrowright") : y < 0 ? "arrowup" : "arrowdown";
  const action = welcome?.actions.find(({ keys }) => keys.includes(key))?.action;
  if (action === swipe.action) return;
  endSwipeAction();
  swipe.action = action;
  if (action !== undefined) hold(action, `pointer ${pointerId}`);
};
canvas.onpointerup = canvas.onpointercancel = () => {
  endSwipeAction();
  swipe = undefined;
};

function endSwipeAction() {
  if (swipe?.action !== undefined) letGo(swipe.action, `pointer ${swipe.pointerId}`);
}

/** Shows a download. */
function showLoading(done, total) {
  const percent = total > 0 ? Math.floor(100 * done / total) : 0;
  const megabytes = (total / 1e6).toFixed(0);
  byId("loading").hidden = false;
  byId("loading-text").textContent = `Loading the world: ${percent} % of ${megabytes} MB`;
  byId("loading-bar").value = total > 0 ? done / total : 0;
}

/** Shows a final error. */
function showFailure(text) {
  byId("loading").hidden = true;
  showConnection(false);
  byId("lost").textContent = text;
}

/**
 * Starts the player.
 * @param openLink connects it with the maker of frames
 */
export function startPlayer(openLink) {
  link = openLink({
    connected() {
      byId("loading").hidden = true;
      showConnection(true);
    },
    lost() {
      showConnection(false);
      letGoOfAll();
    },
    loading: showLoading,
    failed: showFailure,
    hear,
    show,
  });
}
