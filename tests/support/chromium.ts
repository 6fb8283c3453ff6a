import { join } from "node:path";

/** Where Debian's Chromium is, if it is installed. */
export const CHROMIUM = await findChromium();

async function findChromium(): Promise<string | undefined> {
  for (const path of ["/usr/bin/chromium", "/usr/bin/chromium-browser"]) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return undefined;
}

/** For pages that compute nothing. */
const NO_GPU = ["--disable-gpu"];
/** For pages that compute with WebGPU, on the CPU. */
export const SWIFTSHADER = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
  "--window-size=1000,900",
];

/** One page of a headless Chromium, driven over the DevTools protocol. */
export class BrowserPage {
  readonly #process: Deno.ChildProcess;
  readonly #socket: WebSocket;
  readonly #profile: string;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #session: string | undefined;
  #calls = 0;

  private constructor(process: Deno.ChildProcess, socket: WebSocket, profile: string) {
    this.#process = process;
    this.#socket = socket;
    this.#profile = profile;
    socket.onmessage = ({ data }) => {
      const answer: Answer = JSON.parse(data);
      if (answer.id === undefined) return;
      this.#answers.get(answer.id)?.(answer);
      this.#answers.delete(answer.id);
    };
  }

  /** Starts a browser with a new profile; what is saved goes to `downloads`. */
  static async open(
    program: string,
    downloads: string,
    flags: readonly string[] = NO_GPU,
  ): Promise<BrowserPage> {
    const profile = await Deno.makeTempDir({ prefix: "far-chromium-" });
    const process = new Deno.Command(program, {
      args: [...FLAGS, ...flags, `--user-data-dir=${profile}`, "about:blank"],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const [port, path] = await devToolsPort(profile);
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    const page = new BrowserPage(process, socket, profile);
    const { targetId } = await page.call("Target.createTarget", { url: "about:blank" });
    const attached = await page.call("Target.attachToTarget", { targetId, flatten: true });
    page.#session = attached.sessionId as string;
    await page.call("Page.enable");
    await page.call("Page.setDownloadBehavior", { behavior: "allow", downloadPath: downloads });
    return page;
  }

  /** Calls a method of the protocol. @throws {Error} it fails */
  call(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#calls;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => {
        if (error) reject(new Error(`${method}: ${error.message}`));
        else resolve(result ?? {});
      });
    });
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    }) as { result: { value: T }; exceptionDetails?: { text: string } };
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }

  /** Waits until an expression holds. @throws {Error} it does not within a minute */
  async until(expression: string): Promise<void> {
    for (let i = 0; i < 600; i++) {
      if (await this.evaluate(`Boolean(${expression})`)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`The page never came to ${expression}`);
  }

  /** A key whose name is also that of its place, as the arrows' are. */
  async key(type: "keyDown" | "keyUp", key: string, modifiers = 0): Promise<void> {
    await this.call("Input.dispatchKeyEvent", { type, key, code: key, modifiers });
  }

  /** A finger on the middle of an element, or off it again. */
  async touch(type: "touchStart" | "touchEnd", selector: string): Promise<void> {
    const { x, y } = await this.evaluate<{ x: number; y: number }>(
      `(() => { const r = document.querySelector(${JSON.stringify(selector)})` +
        `.getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`,
    );
    const touchPoints = type === "touchStart" ? [{ x, y }] : [];
    await this.call("Input.dispatchTouchEvent", { type, touchPoints });
  }

  async close(): Promise<void> {
    this.#session = undefined;
    await this.call("Browser.close").catch(() => {});
    this.#socket.close();
    await this.#process.status;
    await Deno.remove(this.#profile, { recursive: true }).catch(() => {});
  }
}

interface Answer {
  readonly id?: number;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** The browser writes its port into its profile when it listens. */
async function devToolsPort(profile: string): Promise<[port: string, path: string]> {
  for (let i = 0; i < 300; i++) {
    const text = await Deno.readTextFile(join(profile, "DevToolsActivePort")).catch(() => "");
    const [port, path] = text.split("\n");
    if (port && path) return [port, path];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("Chromium did not start");
}
