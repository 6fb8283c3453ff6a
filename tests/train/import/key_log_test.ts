import assert from "node:assert/strict";
import { join } from "node:path";
import { keyName, readKeyLog } from "../../../train/import/key_log.ts";
import { ActionReader, readKeyMap } from "../../../train/import/key_map.ts";
import { inFolder } from "../../support/folder.ts";

/** A log's moments as `time key+key`. */
async function momentsOf(folder: string, name: string, text: string): Promise<string[]> {
  const path = join(folder, name);
  await Deno.writeTextFile(path, text);
  return (await readKeyLog(path)).map(({ time, keys }) => `${time} ${[...keys].join("+")}`);
}

Deno.test("readKeyLog() reads states and events, in both formats and any unit", () =>
  inFolder(async (folder) => {
    const cases: [name: string, text: string, moments: string[]][] = [
      ["a.csv", "time,keys\n0,w\n0.5,\n1,w a\n", ["0 w", "0.5 ", "1 w+a"]],
      ["b.csv", "\ufeffMS, Key\r\n0,ArrowUp\r\n\r\n250,KeyW+left\r\n", ["0 up", "0.25 w+left"]],
      [
        "c.csv",
        "time,key,event\n0,w,down\n0.5,a,down\n0.75,w,up\n1,x,up\n2,a,release\n",
        ["0 w", "0.5 w+a", "0.75 a", "1 a", "2 "],
      ],
      ["d.csv", 'keys,time\n",",1\n"""",2\n', ["1 ,", '2 "']],
      ["e.csv", "time,key\n1, \n2,+\n", ["1 space", "2 +"]],
      ["f.jsonl", '{"time": 1, "keys": ["w", "Shift"]}\n\n{"t": 2, "keys": null}\n', [
        "1 w+shift",
        "2 ",
      ]],
      [
        "g.jsonl",
        '{"time_ms": 5, "key": "W", "pressed": true}\n{"ms": 5, "key": "w", "pressed": 0}',
        [
          "0.005 w",
          "0.005 ",
        ],
      ],
    ];
    for (const [name, text, moments] of cases) {
      assert.deepEqual(await momentsOf(folder, name, text), moments, name);
    }
  }));

Deno.test("readKeyLog() names file and line when it refuses", () =>
  inFolder(async (folder) => {
    const cases: [name: string, text: string, why: RegExp][] = [
      ["a.csv", "time,keys\n1,w\n0.5,a\n", /a\.csv:3: time 0\.5 comes after 1; times must not run/],
      ["b.csv", "0,w\n", /b\.csv:1: the heading must name time and keys/],
      ["c.csv", "time,keys\nx,w\n", /c\.csv:2: "x" is not a time$/],
      ["d.csv", "time,keys\n,w\n", /d\.csv:2: "" is not a time$/],
      ["e.csv", "time,key,event\n1,w,hold\n", /e\.csv:2: event "hold" is neither down nor up$/],
      ["f.jsonl", '{"time": 1, "keys": "w"}\n{"time": 2}\n', /f\.jsonl:2: it has no keys/],
      ["g.jsonl", '{"keys": "w"}\n', /g\.jsonl:1: it has no time$/],
      ["h.jsonl", '{"time": 1,\n', /h\.jsonl:1: /],
      ["i.jsonl", "[1]\n", /i\.jsonl:1: it is not a JSON object$/],
      ["j.jsonl", '{"time": 1, "keys": [1]}\n', /j\.jsonl:1: it has no keys/],
      ["k.jsonl", '{"time": 1e999, "keys": ""}\n', /k\.jsonl:1: /],
      ["l.csv", "time,keys\n", /"[^"]*l\.csv": it has no lines$/],
    ];
    for (const [name, text, message] of cases) {
      await assert.rejects(momentsOf(folder, name, text), { name: "MediaError", message });
    }
    await assert.rejects(readKeyLog(join(folder, "none.csv")), /Cannot read key log ".*none\.csv"/);
  }));

Deno.test("keyName() gives one name to what browsers and games call differently", () => {
  for (const name of ["ArrowLeft", "Left", " left "]) assert.equal(keyName(name), "left");
  for (const name of ["KeyW", "W", "w"]) assert.equal(keyName(name), "w");
  assert.deepEqual(["Digit1", " ", "key", "arrow"].map(keyName), ["1", "space", "key", "arrow"]);
});

Deno.test("readKeyMap() numbers actions as they come, or as the list says", () =>
  inFolder(async (folder) => {
    const path = join(folder, "keys.json");
    const read = async (json: unknown, idle = "stay") => {
      await Deno.writeTextFile(path, typeof json === "string" ? json : JSON.stringify(json));
      return await readKeyMap(path, idle);
    };
    const plain = await read({ w: "forward", ArrowUp: "forward", a: "left", "w+a": "veer" });
    assert.deepEqual(plain.actions, ["forward", "left", "veer", "stay"]);
    assert.deepEqual(plain.chords[0], { keys: ["w", "a"], action: 2 });
    assert.equal(plain.idle, 3);
    assert.deepEqual((await read({ w: "go" }, "drop")).idle, undefined);
    const listed = await read({ actions: ["stay", "go", "jump"], keys: { w: "go" } });
    assert.deepEqual([listed.actions, listed.idle], [["stay", "go", "jump"], 0]);
    const refused: [unknown, RegExp][] = [
      ["{", /keys\.json:1: /],
      [[], /must be a JSON object/],
      [{}, /it has no keys/],
      [{ w: 1 }, /keys\.json:1: "w" must be a key with the name of an action/],
      ['{\n"w": "go",\n"a": []}', /keys\.json:3: "a" must be a key with the name of an action/],
      [{ actions: ["go"], keys: { w: "run" } }, /action "run" is not in its list/],
      [{ actions: ["go"], keys: { w: "go" } }, /action "stay" is not in its list/],
      [{ actions: [1], keys: { w: "go" } }, /"actions" must be a list of names/],
    ];
    for (const [json, message] of refused) {
      await assert.rejects(read(json), { name: "MediaError", message });
    }
  }));

Deno.test("ActionReader takes what was held longest since the frame before", () => {
  const map = {
    actions: ["forward", "left", "stay"],
    chords: [{ keys: ["w"], action: 0 }, { keys: ["a"], action: 1 }],
    idle: 2,
  };
  const at = (times: number[], log: [number, string][], drops = false) => {
    const moments = log.map(([time, keys]) => ({ time, keys: new Set(keys) }));
    const reader = new ActionReader(moments, drops ? { ...map, idle: undefined } : map);
    return times.map((time) => reader.at(time));
  };
  const frames = [0, 1, 2, 3, 4];
  assert.deepEqual(at(frames, [[0, "w"]]), [0, 0, 0, 0, 0]);
  assert.deepEqual(at(frames, [[-5, "a"], [-4, "w"], [1, ""]]), [0, 0, 2, 2, 2]);
  assert.deepEqual(at(frames, [[1.4, "w"], [1.6, ""]]), [2, 2, 0, 2, 2]); // a tap
  assert.deepEqual(at(frames, [[1.5, "w"], [1.5, ""]]), [2, 2, 0, 2, 2]); // of no length
  assert.deepEqual(at(frames, [[1.2, "w"], [1.5, "a"]]), [2, 2, 1, 1, 1]);
  assert.deepEqual(at(frames, [[0, "w"], [2.1, ""]]), [0, 0, 0, 2, 2]); // let go just after a frame
  assert.deepEqual(at(frames, [[0, "x"]]), [2, 2, 2, 2, 2]); // means nothing
  assert.deepEqual(at(frames, [[0, "wa"]]), [0, 0, 0, 0, 0]); // the first of the map
  assert.deepEqual(at([0, 1, 2], [[0.5, "w"]], true), [undefined, 0, 0]);
});
