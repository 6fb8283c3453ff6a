// The player: draws frames as they arrive, and sends pressed keys, buttons and swipes.

import { Film } from "./film.js";
import { copy } from "./saving.js";
import { Steering } from "./steering.js";

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
const HISTORY_RUNS = 200;
const LOST = "The connection is lost. Is far play still running? This page reconnects by itself.";
const ANEW = "far play was started anew.";
const KEPT = "The frames below can still be looked at and saved.";

let link;
let welcome;
let state;
/** Frames per second seen with each number of steps. */
const rates = new Map();
let patience;
/** Runs of [action name, count] since the last restart. */
let history = [];

function tell(message) {
  if (!isConnected) return;
  link.tell(message);
  expectFrame();
}

const steering = new Steering(tell, canvas);

let isConnected = false;

/** @param why there is no connection; undefined if there is one */
function showConnection(why) {
  isConnected = why === undefined;
  byId("connection").textContent = isConnected ? "connected" : "not connected";
  byId("lost").hidden = isConnected;
  byId("lost-text").textContent = isConnected || film.at === undefined
    ? why ?? ""
    : `${why} ${KEPT}`;
  byId("controls").disabled = byId("copy-command").disabled = !isConnected;
  byId("save-mp4").disabled = byId("share-gif").disabled = !isConnected && film.at === undefined;
  byId("session-row").hidden = !isConnected || !link.session;
  document.body.classList.toggle("lost", !isConnected);
  if (!isConnected) stopWaiting();
}

/** A frame was requested; says so if it takes long. */
function expectFrame() {
  clearTimeout(patience);
  const isDue = state?.running || steering.isHeld;
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
  if (welcome?.session !== message.session && film.at !== undefined) return refuseNewWorld();
  welcome = message;
  film.session = welcome.session;
  document.title = `far play: ${welcome.model}`;
  byId("model").textContent = welcome.model;
  byId("description").textContent = welcome.description;
  canvas.width = welcome.width;
  canvas.height = welcome.height;
  steering.actions = welcome.actions;
  byId("actions").replaceChildren(...welcome.actions.map(actionButton));
  byId("clips").replaceChildren(...welcome.clips.map(clipButton));
  const labels = welcome.labels ?? [];
  byId("labels").replaceChildren(...labels.map((name) => new Option(name)));
  byId("label-row").hidden = labels.length === 0;
  byId("guidance").max = welcome.limits.guidance;
  byId("guidance-row").hidden = !welcome.guided;
  const save = byId("save");
  save.setAttribute("aria-disabled", String(welcome.unsaveable !== undefined));
  save.title = welcome.unsaveable ??
    "The session as a video; of a long one the newest 64 MB (use --record FILE to keep everything)";
}

/** Another program answers: the frames of the old one are here alone, and its numbers are others. */
function refuseNewWorld() {
  link.leave();
  showConnection(ANEW);
  byId("anew").hidden = false;
}

function showState(message) {
  state = message;
  const { clip, settings, running, frames, history: text } = message;
  for (const button of byId("clips").children) {
    button.setAttribute("aria-pressed", String(button.dataset.clip === clip));
  }
  if (message.label !== undefined) byId("label").value = welcome.labels[message.label];
  if (message.at !== undefined && message.at !== film.at) lookBack(message.at);
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
  steering.equip(button, action);
  return button;
}

byId("restart").onclick = () => tell({ type: "restart", clip: state.clip });
byId("label").onchange = ({ target }) => {
  const label = welcome.labels.findIndex((name) =>
    name.toLowerCase() === target.value.toLowerCase()
  );
  if (label < 0) return showError(`There is no class "${target.value}"`);
  tell({ type: "restart", clip: state.clip, label });
  canvas.focus();
};
byId("save-mp4").onclick = () => save("mp4");
byId("share-gif").onclick = () => save("gif");
byId("anew").onclick = () => location.reload();
byId("copy-command").onclick = () => tell({ type: "command", frame: film.at });

/** Saves the frames up to the one on the screen. */
async function save(kind) {
  const images = film.shown.map(({ image }) => image);
  try {
    await link.save(kind, { frame: film.at, images, fps: welcome.fps });
  } catch ({ message }) {
    showError(message);
  }
}

/** The command that makes these frames again, or why there is none. */
async function takeCommand(command) {
  if (command === undefined) {
    return showError(
      "No command makes these frames again: on the way the settings were changed, the world has " +
        "begun to forget, or it went back, after which a model that keeps the keys of its window " +
        "(--window-cache reuse) goes on a little differently.",
    );
  }
  await copy(command);
  byId("copied").textContent = "copied";
  setTimeout(() => byId("copied").textContent = "", 2000);
}

const film = new Film((frame) => {
  if (isConnected) tell({ type: "back", frame });
  else lookBack(frame);
  canvas.focus();
});

/** Shows a frame that the page holds. */
function lookBack(frame) {
  film.show(frame);
  if (film.at !== frame) return; // it is no longer held
  const { image, index, action } = film.shown.at(-1);
  context.putImageData(image, 0, 0);
  byId("frame").textContent = `frame ${index}`;
  byId("action").textContent = action ?? "";
}

byId("run").onclick = () => tell({ type: "run", on: !state?.running });
const guidance = byId("guidance");
guidance.oninput = () => byId("guidance-value").value = guidance.value;
guidance.onchange = () => tell({ type: "settings", guidance: Number(guidance.value) });
guidance.onpointerup = () => canvas.focus(); // otherwise the next arrow key moves it

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
  showConnection(text);
}

/**
 * Starts the player.
 * @param openLink connects it with the maker of frames
 */
export function startPlayer(openLink) {
  link = openLink({
    connected() {
      byId("loading").hidden = true;
      showConnection();
    },
    lost() {
      if (byId("anew").hidden) showConnection(LOST);
      steering.letGoOfAll();
    },
    loading: showLoading,
    failed: showFailure,
    hear,
    show,
  });
}
