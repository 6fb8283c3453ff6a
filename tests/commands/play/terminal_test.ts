import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HAS_FFMPEG, probe } from "../../media/support/ffmpeg.ts";
import { HAS_TMUX, TmuxTerminal } from "./tmux.ts";

if (!HAS_TMUX) console.error("NOT TESTED: far play in a terminal, as no tmux is installed");

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const ignore = !HAS_TMUX || !HAS_FFMPEG;

/** Plays in a terminal; afterwards the shell says the exit status and how the terminal is set. */
async function playing(
  args: string,
  act: (terminal: TmuxTerminal, pid: () => Promise<number>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "far-terminal-" });
  const far = `'${Deno.execPath()}' run -A '${join(ROOT, "cli.ts")}' play ${args}`;
  const asItself = `sh -c 'echo $$ > pid; exec "$@"' sh ${far}`;
  const script = `${asItself} 2> said; echo status $?; stty -a; cat said; cat`;
  await Deno.writeTextFile(join(folder, "script"), script);
  const terminal = await TmuxTerminal.open("sh script", folder);
  try {
    await act(terminal, async () => Number(await Deno.readTextFile(join(folder, "pid"))));
    const { stream } = await probe(join(folder, "out.mp4"));
    assert.ok(Number(stream.nb_frames) >= 3);
  } finally {
    await terminal.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function assertRestored(screen: string): void {
  assert.match(screen, /(^|\s)icanon\b/);
  assert.match(screen, /(^|\s)echo\b/);
  assert.doesNotMatch(screen, /▀/);
}

Deno.test({
  name: "far play in a terminal: drive, see frames change, record, quit, all as it was before",
  ignore,
  fn: () =>
    playing("--record out.mp4", async (terminal) => {
      await terminal.until(/maze \| 0 \| frame 11 \| 4 steps/);
      const before = (await terminal.colours()).split("maze |")[0];
      await terminal.press("Up");
      await terminal.until(/frame 12 \| forward/);
      await terminal.press("a");
      await terminal.until(/frame 13 \| left/);
      assert.notEqual((await terminal.colours()).split("maze |")[0], before);
      await terminal.press("]");
      await terminal.until(/5 steps/);
      await terminal.press("q");
      const screen = await terminal.until(/wrote out\.mp4, 3 frames/);
      assert.match(screen, /status 0/);
      assertRestored(screen);
    }),
});

Deno.test({
  name: "far play in a terminal: SIGTERM leaves a whole recording and the terminal as it was",
  ignore,
  fn: () =>
    playing("--record out.mp4 --seed -1", async (terminal, pid) => {
      await terminal.until(/frame 11/);
      await terminal.press("p");
      await terminal.until(/frame 13/);
      Deno.kill(await pid(), "SIGTERM");
      const screen = await terminal.until(/Stopped by SIGTERM: wrote out\.mp4/);
      assert.match(screen, /status 143/);
      assert.match(screen, /seed \d+/); // drawn, and told
      assertRestored(screen);
    }),
});
