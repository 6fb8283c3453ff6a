import assert from "node:assert/strict";
import { outputWarnings } from "../../request/output_warnings.ts";

const CASES: readonly [string[], Parameters<typeof outputWarnings>[1], RegExp[]][] = [
  [["a.gif"], { fps: 50 }, []],
  [["a.gif"], { fps: 51 }, [/^a\.gif plays at 50 frames per second, not 51/]],
  [["a.mp4", "b.GIF", "c.gif"], { fps: 100 }, [/^b\.GIF and c\.gif plays? at 50/]],
  [["a.mp4"], { fps: 100 }, []],
  [["a.gif"], { codec: "hevc" }, [/^--codec hevc changes nothing in a\.gif/]],
  [["a.y4m", "b.npz"], { quality: 90 }, [/^--quality 90 changes nothing in a\.y4m and b\.npz/]],
  [["a.gif", "b.mkv"], { codec: "hevc", quality: 90 }, []],
  [["-"], { codec: "hevc" }, []],
  [["-"], { codec: "hevc", format: "y4m" }, [/^--codec hevc changes nothing in stdout/]],
  [[], { codec: "hevc" }, []],
  [["a.gif"], { fps: 60, codec: "av1", quality: 1 }, [/plays/, /--codec av1/, /--quality 1/]],
];

for (const [paths, options, expected] of CASES) {
  Deno.test(`outputWarnings() of ${paths.join(" ")} with ${JSON.stringify(options)}`, () => {
    const found = outputWarnings(paths, options);
    assert.equal(found.length, expected.length, JSON.stringify(found));
    for (const [i, pattern] of expected.entries()) assert.match(found[i]!.text, pattern);
  });
}
