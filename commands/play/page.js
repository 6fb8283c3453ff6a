// The page of `far play --web`: draws frames as they come, and tells which keys are down.

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
const RECONNECT_MS = 1000;
const HISTORY_RUNS = 200;

let socket;
let welcome;
/** Runs of [action name, count] since the last restart. */
let history = [];
/** What holds each action down: keys and pointers. */
const holders = new Map();

function connect() {
  const url = new URL("live", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => byId("connection").textContent = "connected";
  socket.onmessage = ({ data }) => typeof data === "string" ? hear(JSON.parse(data)) : show(data);
  socket.onclose = () => {
    byId("connection").textContent = "not connected";
    letGoOfAll();
    setTimeout(connect, RECONNECT_MS);
  };
}

function tell(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function hear(message) {
  if (message.type === "welcome") setUp(message);
  if (message.type === "state") showState(message);
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
  byId("clip").replaceChildren(...welcome.clips.map((name) => new Option(name, name)));
  byId("steps").max = welcome.limits.steps;
  byId("guidance").max = welcome.limits.guidance;
  byId("guidance-row").hidden = !welcome.guided;
  const save = byId("save");
  save.setAttribute("aria-disabled", String(welcome.unsaveable !== undefined));
  save.title = welcome.unsaveable ??
    "The whole session as a video; of hours, the newest 64 MB (--record FILE keeps all)";
}

function showState({ clip, settings, running, frames, history: text }) {
  byId("clip").value = clip;
  byId("run").checked = running;
  byId("steps").value = settings.steps;
  byId("guidance").value = settings.guidance;
  byId("steps-value").value = settings.steps;
  byId("guidance-value").value = settings.guidance;
  history = text === "" ? [] : text.split(",").map((item) => {
    const [, name, count] = /^(.*?)(?:\*(\d+))?$/.exec(item);
    return [name, Number(count ?? 1)];
  });
  showHistory();
  showFrames(frames);
  showError("");
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
  draw(view.getUint16(12, true), view.getUint16(14, true), new Uint8Array(buffer, 16));
  const name = welcome.actions[action]?.name;
  byId("frame").textContent = `frame ${index}`;
  byId("rate").textContent = rate > 0 ? `${rate.toFixed(1)} frames/s` : "";
  byId("action").textContent = name ?? "";
  showFrames(sessionFrames + 1);
  if (name !== undefined) remember(name);
}

function draw(width, height, rgb) {
  const image = context.createImageData(width, height);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    image.data[to] = rgb[from];
    image.data[to + 1] = rgb[from + 1];
    image.data[to + 2] = rgb[from + 2];
    image.data[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
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
  document.querySelector(`[data-action="${action}"]`)?.classList.toggle("held", held);
}

/** The action of a key, unless the key belongs to a slider or the list of clips. */
function keyAction(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
  if (event.target.matches("input[type=range], select")) return undefined;
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
// what a key means may have changed while it was down, by Shift, Control or another focus
addEventListener("keyup", ({ code }) => {
  for (const action of holders.keys()) letGo(action, `key ${code}`);
});
addEventListener("blur", letGoOfAll);

byId("restart").onclick = () => tell({ type: "restart", clip: byId("clip").value });
byId("clip").onchange = () => {
  byId("restart").onclick();
  canvas.focus();
};
byId("run").onchange = () => tell({ type: "run", on: byId("run").checked });
for (const name of ["steps", "guidance"]) {
  const slider = byId(name);
  slider.oninput = () => byId(`${name}-value`).value = slider.value;
  slider.onchange = () => tell({ type: "settings", [name]: Number(slider.value) });
  slider.onpointerup = () => canvas.focus(); // else the next arrow key moves it
}

connect();
