import assert from "node:assert/strict";
import { join } from "node:path";
import { clipActions, readActionFile } from "../../../train/data/clip_actions.ts";
import { inFolder } from "../../support/folder.ts";

const CLASSES = { count: 4 };

Deno.test("readActionFile() and clipActions() expand at most a million actions", () =>
  inFolder(async (folder) => {
    const many = new Array(20).fill("0*90000");
    for (
      const [name, text] of [
        ["a.json", JSON.stringify(many)],
        ["a.txt", many.join(",")],
        ["a.csv", ["frame,action", ...many.map((word, k) => `${k},${word}`)].join("\n")],
      ]
    ) {
      const path = join(folder, name!);
      await Deno.writeTextFile(path, text!);
      await assert.rejects(readActionFile(path, CLASSES), /there are more than 1000000$/, name);
    }
    const settings = JSON.stringify({ options: { actions: many.join(",") } });
    const clip = { path: join(folder, "b.mp4"), frames: 3, metadata: { "far.settings": settings } };
    await assert.rejects(clipActions(clip, CLASSES), /there are more than 1000000$/);
  }));

Deno.test("readActionFile() knows a log of keys by its heading", () =>
  inFolder(async (folder) => {
    for (const heading of ["time,keys", "Time,key,event"]) {
      const path = join(folder, "play.csv");
      await Deno.writeTextFile(path, `${heading}\n0,w,down\n`);
      const message = /play\.csv": it is a log of keys: "far import" makes clips of it$/;
      await assert.rejects(readActionFile(path, CLASSES), { name: "MediaError", message });
    }
  }));
