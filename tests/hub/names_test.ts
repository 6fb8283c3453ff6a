import { deepEqual, equal, throws } from "node:assert/strict";
import { checkCommit, checkPath, parseTarget } from "../../hub/names.ts";

Deno.test("parseTarget() reads repositories, files and revisions", () => {
  const read = (text: string) => Object.values(parseTarget(text));
  deepEqual(read("guyuchao/FAR_Models"), ["guyuchao/FAR_Models", undefined, "main"]);
  deepEqual(read("a/b@v1.0"), ["a/b", undefined, "v1.0"]);
  deepEqual(read("a/b/dcae/x-1.pth@refs/pr/3"), ["a/b", "dcae/x-1.pth", "refs/pr/3"]);
  deepEqual(read("a/b.c_d-e/.gitattributes"), ["a/b.c_d-e", ".gitattributes", "main"]);
});

const NO_TARGETS = [
  "",
  "a",
  "/",
  "a/",
  "/b",
  "a//b",
  "../b",
  "a/..",
  "a/.",
  "a b/c",
  "a/b--c",
  "a/b.git",
  "-a/b",
  "C:/x",
  "a\\b/c",
  "a/b@",
  "a/b@../x",
  "a/b@-x",
  "a/b@x y",
  "a/b@x//y",
  "a/b/../../x",
  "a/nul",
  "https://example.org/a/b",
  `a/${"b".repeat(200)}`,
];
for (const text of NO_TARGETS) {
  Deno.test(`parseTarget() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    throws(() => parseTarget(text), { name: "CheckpointError", reason: "Hub" });
  });
}

// Names that a path must not have on some system, whichever this one is.
const UNSAFE = [
  "",
  ".",
  "..",
  "../x",
  "a/../../x",
  "/etc/passwd",
  "a//b",
  "a/",
  "a/./b",
  "..\\x",
  "a\\..\\..\\x",
  "\\x",
  "\\\\server\\share\\x",
  "//server/share/x",
  "C:\\x",
  "C:/x",
  "D:x",
  "a:b",
  "x\u0000.json",
  "a\nb",
  "a\u001bb",
  "CON",
  "con.json",
  "a/NUL",
  "a/nul.txt",
  "COM1",
  "lpt9.log",
  "COM¹",
  "CONIN$",
  "aux.c",
  "x.",
  "x ",
  "a./b",
  "a /b",
  "a?b",
  "a*b",
  'a"b',
  "a<b",
  "a|b",
  "\ud800",
  "x".repeat(256),
  "a/".repeat(600) + "b",
];
for (const path of UNSAFE) {
  Deno.test(`checkPath() refuses ${JSON.stringify(path.slice(0, 30))}`, () => {
    throws(() => checkPath(path), { name: "CheckpointError" });
  });
}

Deno.test("checkPath() accepts plain paths", () => {
  for (const path of ["a", ".gitattributes", "a/b/c.json", "console.json", "é ü.txt", "...x"]) {
    equal(checkPath(path), path);
  }
});

Deno.test("checkCommit() takes 40 hexadecimal digits and nothing else", () => {
  equal(checkCommit("0".repeat(40)), "0".repeat(40));
  for (const other of ["main", "0".repeat(39), "G".repeat(40), "A".repeat(40), 5, undefined]) {
    throws(() => checkCommit(other), { name: "CheckpointError" });
  }
});
