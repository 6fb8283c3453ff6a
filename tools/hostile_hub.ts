/**
 * Runs `far pull` against hubs on localhost that stall, lie, drip and never end, and checks that
 * each pull ends in time with one line, in little memory, and leaves nothing outside the cache.
 *
 *   deno run -A tools/hostile_hub.ts [WORD]
 *
 * WORD runs only the scenarios whose names contain it.
 */
import { join } from "node:path";
import { type Reply, type Scenario, SCENARIOS } from "./hostile_hub_scenarios.ts";

/** Pulls at a time: most of them wait. */
const AT_ONCE = 4;
/** Most resident memory of a pull, in bytes: the program itself takes about a third. */
const MOST_MEMORY = 600e6;
const TOKEN = "hf_secret";

/** A server that answers each request with raw bytes. */
class RawHub implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  /** Requests so far, by path. */
  readonly #asked = new Map<string, number>();
  /** Whether a request came with the token. */
  sawToken = false;

  constructor(readonly reply: (path: string, times: number, hub: RawHub) => Reply) {
    this.#serve();
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      this.#answer(connection).catch(() => {}).finally(() => {
        this.#connections.delete(connection);
        try {
          connection.close();
        } catch {
          // closed already
        }
      });
    }
  }

  /** One request for each connection, so that each begins anew. */
  async #answer(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65536);
    const count = await connection.read(buffer);
    const request = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
    if (request.includes(TOKEN)) this.sawToken = true;
    const path = request.split(" ")[1] ?? "/";
    const times = this.#asked.get(path) ?? 0;
    this.#asked.set(path, times + 1);
    for await (const part of this.reply(path, times, this)) {
      const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
  }
}

/** How one pull ended. */
interface Outcome {
  readonly code: number;
  readonly stderr: string;
  readonly seconds: number;
  readonly memory: number;
}

async function pull(endpoint: string, home: string, target: string): Promise<Outcome> {
  const start = performance.now();
  const cli = join(import.meta.dirname!, "../cli.ts");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", cli, "pull", target],
    env: {
      HF_ENDPOINT: endpoint,
      HF_HOME: join(home, "cache"),
      HF_TOKEN: TOKEN,
      HF_HUB_DOWNLOAD_TIMEOUT: "1",
      NO_COLOR: "1",
    },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let memory = 0;
  const watch = setInterval(() => memory = Math.max(memory, residentBytes(child.pid)), 100);
  const [stderr, { code }] = await Promise.all([new Response(child.stderr).text(), child.status]);
  clearInterval(watch);
  return { code, stderr, seconds: (performance.now() - start) / 1000, memory };
}

/** The most memory that a process has taken; 0 where the system does not say. */
function residentBytes(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Everything that is wrong with an outcome. */
function faults(scenario: Scenario, outcome: Outcome, made: readonly string[]): string[] {
  const { code, stderr, seconds, memory } = outcome;
  const { says, within = 60, status = [1, 75] } = scenario;
  const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
  const wanted = status.includes(0) ? 0 : 1;
  return [
    status.includes(code) ? "" : `status ${code}`,
    errors.length === wanted ? "" : `${errors.length} errors`,
    says.test(wanted === 1 ? errors[0] ?? "" : stderr) ? "" : `says ${JSON.stringify(stderr)}`,
    // deno-lint-ignore no-control-regex
    /[\x00-\x08\x0b-\x1f]|^\s+at |Uncaught/m.test(stderr.replaceAll("\r", "")) ? "raw text" : "",
    seconds <= within ? "" : `${seconds.toFixed(0)} s`,
    memory <= MOST_MEMORY ? "" : `${(memory / 1e6).toFixed(0)} MB`,
    made.every((name) => name === "cache") ? "" : `made ${made}`,
  ].filter((fault) => fault !== "");
}

async function attempt(scenario: Scenario): Promise<boolean> {
  const home = await Deno.makeTempDir();
  using other = new RawHub(scenario.other ?? (() => []));
  using hub = new RawHub((path, times, { address }) =>
    scenario.reply({ path, times, address, other: other.address })
  );
  try {
    const outcome = await pull(hub.address, home, scenario.target ?? "someone/model");
    const found = faults(scenario, outcome, [...Deno.readDirSync(home)].map(({ name }) => name));
    if (other.sawToken) found.push("the token went to another host");
    const line = outcome.stderr.trim().split("\n").at(-1) ?? "";
    console.log(
      `${found.length === 0 ? "ok  " : "FAIL"} ${scenario.name}: ${outcome.code} after ` +
        `${outcome.seconds.toFixed(1)} s, ${(outcome.memory / 1e6).toFixed(0)} MB\n     ` +
        `${found.join("; ") || line.slice(0, 300)}`,
    );
    return found.length === 0;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function main(word: string): Promise<number> {
  const chosen = SCENARIOS.filter(({ name }) => name.includes(word));
  let [next, bad] = [0, 0];
  const work = async () => {
    while (next < chosen.length) if (!await attempt(chosen[next++]!)) bad++;
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  console.log(`${chosen.length - bad} of ${chosen.length} end as they should`);
  return bad === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0] ?? ""));
