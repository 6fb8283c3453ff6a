// What holds an action: keys, buttons, and fingers that move over the picture.

/** Screen pixels that make a swipe. */
const SWIPE = 24;

export class Steering {
  /** Keys and pointers that hold each action. */
  #holders = new Map();
  /** Start of a finger's swipe, and the action it holds. */
  #swipe;
  /** The model's actions with their keys. */
  actions = [];
  #tell;

  /**
   * @param tell called with messages for whoever makes the frames
   * @param canvas on which fingers swipe
   */
  constructor(tell, canvas) {
    this.#tell = tell;
    addEventListener("keydown", (event) => this.#keyDown(event));
    // the meaning of a key may have changed while it was pressed, by Shift, Control or focus
    addEventListener("keyup", ({ code }) => {
      for (const action of this.#holders.keys()) this.#letGo(action, `key ${code}`);
    });
    addEventListener("blur", () => this.letGoOfAll());
    canvas.onpointerdown = ({ pointerId, clientX: x, clientY: y }) => {
      canvas.setPointerCapture(pointerId);
      this.#swipe = { pointerId, x, y, action: undefined };
    };
    canvas.onpointermove = (event) => this.#move(event);
    canvas.onpointerup = canvas.onpointercancel = () => {
      this.#endSwipeAction();
      this.#swipe = undefined;
    };
  }

  /** Whether anything is held. */
  get isHeld() {
    return [...this.#holders.values()].some(({ size }) => size > 0);
  }

  /** Lets a button hold its action, by pointers and by Enter and Space. */
  equip(button, action) {
    button.onpointerdown = ({ pointerId }) => {
      button.setPointerCapture(pointerId);
      this.#hold(action, `pointer ${pointerId}`);
    };
    button.onpointerup = button.onpointercancel = ({ pointerId }) =>
      this.#letGo(action, `pointer ${pointerId}`);
    button.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) this.#hold(action, `key ${event.code}`);
    };
    button.oncontextmenu = (event) => event.preventDefault();
  }

  letGoOfAll() {
    for (const [action, held] of this.#holders) {
      held.clear();
      mark(action, false);
    }
    this.#tell({ type: "clear" });
  }

  #hold(action, by) {
    const held = this.#holders.get(action) ?? new Set();
    this.#holders.set(action, held);
    const isFirst = held.size === 0;
    held.add(by);
    if (isFirst) this.#tell({ type: "press", action });
    mark(action, true);
  }

  #letGo(action, by) {
    const held = this.#holders.get(action);
    if (!held?.delete(by) || held.size > 0) return;
    this.#tell({ type: "release", action });
    mark(action, false);
  }

  #keyDown(event) {
    const action = this.#keyAction(event);
    if (action === undefined) return;
    event.preventDefault();
    if (!event.repeat) this.#hold(action, `key ${event.code}`);
  }

  /** The action of a key, unless the key belongs to a slider or the list of clips. */
  #keyAction(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
    if (event.target.matches("input, select")) return undefined;
    if (event.key === " " && event.target.matches("button, input, a, summary")) return undefined;
    return this.#actionOf(event.key.toLowerCase());
  }

  #actionOf(key) {
    return this.actions.find(({ keys }) => keys.includes(key))?.action;
  }

  #move({ pointerId, clientX, clientY }) {
    const swipe = this.#swipe;
    if (swipe?.pointerId !== pointerId) return;
    const [x, y] = [clientX - swipe.x, clientY - swipe.y];
    if (Math.hypot(x, y) < SWIPE) return;
    const across = Math.abs(x) > Math.abs(y);
    const key = across ? (x < 0 ? "arrowleft" : "arrowright") : y < 0 ? "arrowup" : "arrowdown";
    const action = this.#actionOf(key);
    if (action === swipe.action) return;
    this.#endSwipeAction();
    swipe.action = action;
    if (action !== undefined) this.#hold(action, `pointer ${pointerId}`);
  }

  #endSwipeAction() {
    const { action, pointerId } = this.#swipe ?? {};
    if (action !== undefined) this.#letGo(action, `pointer ${pointerId}`);
  }
}

function mark(action, held) {
  document.querySelector(`[data-action="${action}"]`)?.setAttribute("aria-pressed", String(held));
}
