// A GPU process without a GPU, for tests of its supervisor: the hash of each job, or its place in
// the manifest if that is a real hash, decides what happens. It appends a line for each job it
// begins to the file of its first argument.

const [log, settings] = Deno.args;
const say = (message: unknown) => {
  Deno.stdout.writeSync(new TextEncoder().encode(`\n${JSON.stringify(message)}\n`));
};
const note = (text: string) => Deno.writeTextFileSync(log!, `${text}\n`, { append: true });
const begun = () => Deno.readTextFileSync(log!).split("\n");

interface FakeJob {
  readonly hash: string;
  readonly where: string;
  readonly folder: string;
  readonly outputs: readonly string[];
}

async function runJob({ hash, where, folder, outputs }: FakeJob): Promise<void> {
  const name = hash.length === 64 ? where : hash;
  const times = begun().filter((line) => line === `job ${name}`).length;
  note(`job ${name}`);
  const [kind, count] = name.split(":");
  if (times < Number(count ?? Infinity)) {
    if (kind === "spill") {
      Deno.writeTextFileSync(`${folder}/.${outputs[0]}.${crypto.randomUUID()}.partial`, "half");
    }
    if (kind === "crash" || kind === "spill") Deno.kill(Deno.pid, "SIGKILL");
    if (kind === "panic") {
      console.error("thread 'main' panicked at wgpu: device lost");
      Deno.exit(1);
    }
    if (kind === "lost") {
      say({ type: "lost", message: "The GPU was lost: unknown" });
      Deno.exit(75);
    }
    if (kind === "hang") await new Promise((resolve) => setTimeout(resolve, 1e8));
    if (kind === "liar") Deno.exit(0); // status 0 without a result is not success
  }
  const failures: Record<string, unknown> = {
    bad: { message: "Cannot use it", temporary: false },
    tight: { message: "The GPU is out of memory", temporary: true },
    full: { message: "No space left on device", temporary: true, storage: true },
  };
  if (failures[kind!]) return say({ type: "failed", hash, error: failures[kind!] });
  if (kind === "fatal") {
    say({ type: "fatal", error: { message: "The weights alone do not fit", temporary: true } });
    Deno.exit(1);
  }
  if (kind === "stuck") {
    say({ type: "failed", hash, error: { message: "it never ends", temporary: false } });
    say({ type: "idle", retires: "it never ends" });
    for (;;); // as if no thread could be stopped
  }
  say({ type: "done", hash, seconds: 0.1, batch: 1, outputs: [] });
}

note(`start ${settings}`);
if (begun().includes("break at start")) Deno.exit(3);
console.log("a library says hello");
say({ type: "ready", device: { name: "fake", cpu: false } });
let rest = "";
for await (const bytes of Deno.stdin.readable) {
  const lines = (rest + new TextDecoder().decode(bytes)).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const { jobs, videos } = JSON.parse(line);
    note(`run ${jobs.length} by ${videos}`);
    say({ type: "start", hashes: jobs.map(({ hash }: FakeJob) => hash) });
    for (const job of jobs) await runJob(job);
    say({ type: "idle" });
  }
}
