import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../../mod.ts";
import { inFolder } from "../../support/folder.ts";
import { startPage } from "./play_process.ts";

/**
 * Fewer than there are connections: the program's own files and its adapter's need most of them.
 */
const DESCRIPTORS = 80;
const CONNECTIONS = 300;
const RESTARTS = 2000;

/** A page's connection that counts its messages. */
async function openSocket(url: string) {
  const socket = new WebSocket(new URL("live", url), { headers: { origin: url.slice(0, -1) } });
  socket.binaryType = "arraybuffer";
  const heard = { frames: 0, states: 0 };
  socket.onmessage = ({ data }) => typeof data === "string" ? heard.states++ : heard.frames++;
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("no connection"));
  });
  return { socket, heard };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

Deno.test({
  name: "far play --web outlives floods with few descriptors, and keeps its recording",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      const path = join(folder, "walk.mp4");
      const quick = ["--steps", "1", "--context-frames", "1", "--record", path];
      const far = await startPage({ descriptors: DESCRIPTORS, args: quick });
      const { socket, heard } = await openSocket(far.url);
      const port = Number(new URL(far.url).port);
      const idle: Deno.TcpConn[] = [];
      for (let i = 0; i < CONNECTIONS; i++) {
        idle.push(await Deno.connect({ hostname: "127.0.0.1", port }));
      }
      await until(() => heard.frames >= 1); // keys before the first frame are let go
      const press = { type: "press", action: 0 };
      socket.send(JSON.stringify(press)); // it can still be played
      await until(() => heard.frames >= 3);
      const restart = JSON.stringify({ type: "restart", clip: "1" });
      for (let i = 0; i < RESTARTS; i++) socket.send(restart);
      assert.equal(await far.stop("SIGTERM"), 0); // at once, not after as many restarts
      for (const connection of idle) connection.close();
      socket.close();
      assert.ok((await readClip(path)).frames.length >= 3);
    }),
});
