import assert from "node:assert/strict";
import {
  type Classes,
  fitLength,
  formatClassList,
  parseActionText,
  parseClassList,
  planActions,
} from "../../request/actions.ts";
import { UsageError } from "../../cli/errors.ts";

const MAZE: Classes = {
  kind: "action",
  count: 4,
  names: ["forward", "left", "right", "stay"],
};
const BARE: Classes = { kind: "action", count: 18 };

const usage = (message: RegExp) => (error: unknown) => {
  assert(error instanceof UsageError, String(error));
  assert.match(error.message, message);
  return true;
};

Deno.test("parseClassList() reads names, numbers and repeats", () => {
  assert.deepEqual(parseClassList("forward*3,left,2*2, STAY", MAZE), [0, 0, 0, 1, 2, 2, 3]);
  assert.deepEqual(parseClassList("17", BARE), [17]);
});

Deno.test("parseClassList() reads names that have spaces in them", () => {
  const sports: Classes = { kind: "label", count: 3, names: ["Cliff Diving", "Ice", "Bowling"] };
  assert.deepEqual(parseClassList("cliff diving*2, ice bowling,Cliff Diving", sports), [
    ...[0, 0, 1, 2, 0],
  ]);
  assert.equal(formatClassList([0, 0, 1], sports.names), "Cliff Diving*2,Ice");
});

Deno.test("parseClassList() lists what is allowed", () => {
  assert.throws(
    () => parseClassList("forwrad", MAZE),
    usage(
      /^Cannot use action "forwrad" \(did you mean "forward"\?\): actions are forward \(0\), left \(1\), right \(2\), stay \(3\)$/,
    ),
  );
  assert.throws(
    () => parseClassList("18", BARE),
    usage(/"18": actions are the numbers 0 to 17$/),
  );
  assert.throws(() => parseClassList("4", MAZE), usage(/action "4"/));
  assert.throws(() => parseClassList("-1", MAZE), usage(/action "-1"/));
  assert.throws(() => parseClassList("left*0", MAZE), usage(/repeats must be from 1/));
  assert.throws(() => parseClassList("left*9999999", MAZE), usage(/repeats must be from 1/));
  assert.throws(
    () => parseClassList(new Array(1000).fill("left*1000000").join(), MAZE),
    usage(/a list of more than 1000000 actions/),
  );
  assert.throws(() => parseClassList(" , ", MAZE), usage(/empty list of actions/));
});

Deno.test("formatClassList() gives the shortest list, which reads back", () => {
  const indices = [0, 0, 0, 1, 2, 2];
  assert.equal(formatClassList(indices, MAZE.names), "forward*3,left,right*2");
  assert.equal(formatClassList(indices), "0*3,1,2*2");
  assert.deepEqual(parseClassList(formatClassList(indices, MAZE.names), MAZE), indices);
});

Deno.test("parseActionText() reads lists over many lines, with comments", () => {
  const text = "# to the door\nforward*2\nleft 0 # turn\n\n3\n";
  assert.deepEqual(parseActionText(text, "walk.txt", MAZE), [[0, 0, 1, 0, 3]]);
});

Deno.test("parseActionText() reads JSON arrays and objects", () => {
  assert.deepEqual(parseActionText('[0, "left*2", 3]', "walk.json", MAZE), [[0, 1, 1, 3]]);
  assert.deepEqual(parseActionText('{"actions": [1, 1]}', "walk.JSON", MAZE), [[1, 1]]);
  const each = '{"actions": [["left*2"], [3, "forward"]]}';
  assert.deepEqual(parseActionText(each, "walk.json", MAZE), [[1, 1], [3, 0]]);
});

Deno.test("parseActionText() names the file and what is wrong with it", () => {
  assert.throws(
    () => parseActionText("[0,", "walk.json", MAZE),
    usage(/^Cannot read actions "walk/),
  );
  for (const text of ["[[0], 1]", "[0, [1]]", "[[]]", "[{}]"]) {
    assert.throws(() => parseActionText(text, "walk.json", MAZE), usage(/must be an array/));
  }
  assert.throws(() => parseActionText("null", "walk.json", MAZE), usage(/must be an array/));
  assert.throws(() => parseActionText("up", "walk.txt", MAZE), usage(/"up".*\(in "walk.txt"\)$/));
});

Deno.test("planActions() takes a list for all frames, or for the generated ones", () => {
  const plan = { context: 2, frames: 3, classes: MAZE };
  assert.deepEqual(planActions({ ...plan, given: [0, 1, 2, 3, 0] }), [0, 1, 2, 3, 0]);
  assert.deepEqual(planActions({ ...plan, given: [1, 2, 3] }), [4, 4, 1, 2, 3]);
  assert.deepEqual(planActions({ ...plan, given: [1, 2, 3], clip: [0, 3, 3] }), [0, 3, 1, 2, 3]);
  assert.deepEqual(planActions({ ...plan, given: [1, 2, 3], clip: [0] }), [0, 4, 1, 2, 3]);
});

Deno.test("planActions() uses a clip's own actions for the generated frames", () => {
  const plan = { context: 2, frames: 3, classes: MAZE };
  assert.deepEqual(planActions({ ...plan, clip: [0, 1, 2, 3, 0, 1] }), [0, 1, 2, 3, 0]);
  assert.throws(
    () => planActions({ ...plan, clip: [0, 1, 2] }),
    usage(/own actions end at frame 3 of 5; give --actions \(actions are forward/),
  );
});

Deno.test("planActions() says how many actions are needed", () => {
  const plan = { context: 12, frames: 48, classes: MAZE };
  assert.throws(
    () => planActions({ ...plan, given: [0] }),
    usage(
      /^Cannot use 1 action for 48 generated frames: give 48, or 60 with those of the 12/,
    ),
  );
  assert.throws(
    () => planActions({ ...plan, context: 0, given: [0] }),
    usage(/48 generated frames: give 48$/),
  );
  assert.throws(() => planActions(plan), usage(/without actions: this model needs one per/));
});

Deno.test("fitLength() cuts a list, or begins it again", () => {
  assert.deepEqual(fitLength([1, 2, 3], 2), [1, 2]);
  assert.deepEqual(fitLength([1, 2, 3], 7), [1, 2, 3, 1, 2, 3, 1]);
});

Deno.test("parseClassList() refuses nothing between two commas", () => {
  const classes = { kind: "action", count: 3 } as const;
  for (const text of ["0,,1", "0, ,1", ",,", "0*2,,1", "0,\n,1"]) {
    assert.throws(() => parseClassList(text, classes), /nothing between two commas$/);
  }
  for (const text of ["0,1", "0,1,", "0,\n1", "0\n\n1", "0 1"]) {
    assert.deepEqual(parseClassList(text, classes), [0, 1], text);
  }
});
