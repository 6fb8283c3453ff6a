// The time machine: every frame that was shown, as a tree. Each branch of it is a strip of pictures;
// a picture that is clicked is gone back to, and what is made from there becomes a new branch.

/** Pictures of a strip that are drawn; of longer branches the newest. */
const MOST_DRAWN = 240;
/** Frames that are kept, as many as the other side keeps of small pictures. */
const MOST_FRAMES = 5000;

const byId = (id) => document.getElementById(id);

export class Film {
  #frames = new Map();
  #branches = [];
  #branch;
  #at;
  #goTo;
  #session;
  /** Names that were given, by the frame with which each branch begins. */
  #names = {};

  /** @param goTo called with the number of a frame that was chosen */
  constructor(goTo) {
    this.#goTo = goTo;
    byId("branch-name").onchange = ({ target }) => {
      if (!this.#branch) return;
      this.#branch.name = target.value.trim() || this.#branch.name;
      this.#names[this.#branch.first] = this.#branch.name;
      if (this.#session) history.replaceState({ session: this.#session, names: this.#names }, "");
      this.#showBranches();
    };
    byId("other").onchange = () => this.#compare();
    byId("compared").oninput = () => this.#drawCompared();
  }

  /** The program whose frames these are: a page that is loaded again knows its branches' names. */
  set session(session) {
    if (session === undefined || session === this.#session) return;
    this.#session = session;
    if (history.state?.session === session) this.#names = history.state.names;
  }

  /** Number of the frame on the screen. */
  get at() {
    return this.#at;
  }

  /** The frames that lead to it, and it, oldest first. */
  get shown() {
    return this.#path(this.#at);
  }

  /**
   * Adds a frame that came, or goes back to it where it is known.
   * @param frame { id, parent, index, action, image }
   */
  add(frame) {
    if (this.#frames.has(frame.id)) return this.show(frame.id);
    this.#frames.set(frame.id, frame);
    if (this.#frames.size > MOST_FRAMES) this.#frames.delete(this.#frames.keys().next().value);
    const followed = frame.parent >= 0 && this.#branches.find(({ tip }) => tip === frame.parent);
    const follows = followed && followed === this.#branch;
    if (!followed) this.#newBranch(frame);
    else if (!follows) this.#choose(followed);
    this.#branch.tip = frame.id;
    if (follows) this.#append(frame);
    else this.#drawFilm();
    this.#mark(frame.id);
  }

  /** Marks a frame as the one on the screen. */
  show(id) {
    if (id === this.#at || !this.#frames.has(id)) return;
    if (!this.#path().some((frame) => frame.id === id)) {
      const branch = this.#branches.findLast(({ tip }) => this.#path(tip).some((f) => f.id === id));
      this.#choose(branch ?? this.#branch);
    }
    this.#mark(id);
  }

  #newBranch(frame) {
    const name = this.#names[frame.id] ?? `Branch ${this.#branches.length + 1}`;
    this.#branch = { name, first: frame.id, tip: frame.id };
    this.#branches.push(this.#branch);
    this.#showBranches();
  }

  /** The frames of a branch, oldest first. */
  #path(tip = this.#branch?.tip) {
    const frames = [];
    for (let at = this.#frames.get(tip); at; at = this.#frames.get(at.parent)) frames.push(at);
    return frames.reverse();
  }

  #choose(branch) {
    if (branch === this.#branch) return;
    this.#branch = branch;
    this.#showBranches();
    this.#drawFilm();
  }

  #drawFilm() {
    byId("film").replaceChildren(...this.#path().slice(-MOST_DRAWN).map((f) => this.#item(f)));
  }

  #append(frame) {
    const film = byId("film");
    film.append(this.#item(frame));
    if (film.childElementCount > MOST_DRAWN) film.firstElementChild.remove();
  }

  #item({ id, index, action, image }) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.frame = id;
    button.ariaLabel = `Go back to frame ${index}${action ? `, ${action}` : ""}`;
    button.title = `frame ${index}${action ? `: ${action}` : ""}`;
    button.onclick = () => this.#goTo(id);
    button.append(draw(document.createElement("canvas"), image));
    item.append(button);
    return item;
  }

  #mark(id) {
    byId("film").querySelector("[aria-current]")?.removeAttribute("aria-current");
    this.#at = id;
    const button = byId("film").querySelector(`[data-frame="${id}"]`);
    button?.setAttribute("aria-current", "true");
    const item = button?.parentElement;
    if (item) byId("film").scrollLeft = item.offsetLeft - byId("film").clientWidth / 2;
  }

  #showBranches() {
    const several = this.#branches.length > 1;
    byId("timeline").hidden = this.#branches.length === 0;
    byId("branches").replaceChildren(...(several ? this.#branches.map((b) => this.#tab(b)) : []));
    byId("branch-name").value = this.#branch?.name ?? "";
    const others = this.#branches.filter((branch) => branch !== this.#branch);
    const options = others.map(({ name }) => new Option(name, this.#indexOf(name)));
    byId("other").replaceChildren(new Option("nothing", ""), ...options);
    byId("comparing").hidden = !several;
    this.#compare();
  }

  #indexOf(name) {
    return this.#branches.findIndex((branch) => branch.name === name);
  }

  #tab(branch) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = branch.name;
    button.setAttribute("aria-pressed", String(branch === this.#branch));
    button.onclick = () => {
      this.#choose(branch);
      this.#goTo(branch.tip);
    };
    return button;
  }

  /** Two branches side by side, frame by frame. */
  #compare() {
    const other = this.#branches[Number(byId("other").value || NaN)];
    byId("comparison").hidden = !other;
    if (!other) return;
    const longest = Math.max(this.#path().length, this.#path(other.tip).length);
    byId("compared").max = longest - 1;
    byId("compared").value = longest - 1;
    byId("left-name").textContent = this.#branch.name;
    byId("right-name").textContent = other.name;
    this.#drawCompared();
  }

  #drawCompared() {
    const other = this.#branches[Number(byId("other").value || NaN)];
    if (!other) return;
    const at = Number(byId("compared").value);
    for (const [side, tip] of [["left", this.#branch.tip], ["right", other.tip]]) {
      const path = this.#path(tip);
      const { image, index } = path[Math.min(at, path.length - 1)];
      draw(byId(side), image).ariaLabel = `frame ${index}`;
    }
  }
}

/** Draws a picture on a canvas, which gets its size. */
function draw(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
