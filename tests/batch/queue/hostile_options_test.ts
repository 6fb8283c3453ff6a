import assert from "node:assert/strict";
import { HAS_REDIS } from "../redis_server.ts";
import { MODEL, QUEUE_TEST, stage } from "./queue_stage.ts";

/** Fields that BullMQ keeps with a job's data, as a stranger may write them. */
const FIELDS: [field: string, text: string][] = [
  ...[
    ...['{"attempts":1e9,"backoff":{"type":"fixed","delay":1e15}}', '{"attempts":-1}'],
    ...['{"attempts":"many"}', '{"attempts":null}', '{"attempts":1e999}', '{"backoff":"soon"}'],
    ...['{"attempts":3,"backoff":{"type":"evil","delay":5}}', '{"attempts":3,"backoff":-1}'],
    ...['{"attempts":3,"backoff":{"type":"exponential","delay":1e308}}'],
    ...['{"delay":1e15}', '{"delay":"x"}', '{"lifo":true}', '{"lifo":"x"}', '{"priority":1e18}'],
    ...['{"removeOnComplete":"x"}', '{"removeOnComplete":{"age":"x","count":{}}}'],
    ...['{"removeOnComplete":-5}', '{"removeOnFail":[[]]}', '{"removeOnFail":{"count":1e300}}'],
    ...['{"repeat":{"every":1}}', '{"repeat":{"pattern":"* * * * * *"}}', '{"repeat":"x"}'],
    ...[
      '{"parent":{"id":"x","queue":"y"}}',
      '{"fpof":true}',
      '{"kl":-1}',
      '{"de":"x"}',
      '{"de":{"id":5}}',
    ],
    ...[
      '{"sizeLimit":1}',
      '{"stackTraceLimit":-1}',
      '{"stackTraceLimit":1e9}',
      '{"tm":"x"}',
      '{"omc":true}',
    ],
    ...["null", "[]", "5", '"x"', "{", "", '{"__proto__":{"x":1}}'],
  ].map((text): [string, string] => ["opts", text]),
  ...["null", "[]", "5", "{", "", "x".repeat(100)].map((text): [string, string] => ["data", text]),
  ["rjk", "evil"],
  ["rjk", "a:b:c:d:e"],
  ["parentKey", "test:other:1"],
  ["parent", '{"id":"1","queueKey":"test:other"}'],
  ["parent", "{"],
  ["stacktrace", "{"],
  ["stacktrace", "5"],
  ["ats", "x"],
  ["atm", "1e9"],
  ["stc", "x"],
  ["progress", "{"],
  ["returnvalue", "{"],
  ["timestamp", "x"],
  ["priority", "x"],
  ["delay", "x"],
  ["name", ""],
  ["defa", "x"],
  ["deid", "x"],
];

/** Jobs that succeed, that fail for good, and that are tried again. */
const KINDS = ["ok", "bad", "tight"];

Deno.test({
  name: "QueueWorker outlives whatever BullMQ is told about a job",
  ...QUEUE_TEST,
  ignore: !HAS_REDIS,
}, () =>
  stage(async ({ worker, add, link, states, fatal }) => {
    for (const [i, [field, text]] of FIELDS.entries()) {
      const name = `${KINDS[i % 3]}:${i}`;
      await add(name);
      await link.client.hset(`test:${MODEL.slice(0, 16)}:${name.replace(":", "-")}`, field, text);
    }
    await add("tight:0", {}, 1e9);
    await add("last");
    worker.serve(MODEL, "m");
    assert.deepEqual(await states("last"), ["completed"]);
    assert.deepEqual(fatal, []);
    assert.equal(await link.client.exists("test:other:1"), 0);
    assert.deepEqual(await states("tight:0"), ["failed 10: The GPU is out of memory"]);
    const commands = async () => {
      const [, number] = /total_commands_processed:(\d+)/.exec(await link.client.info("stats"))!;
      return Number(number);
    };
    const before = await commands();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    assert.ok(await commands() - before < 200, "it goes on asking Redis");
    await add("later");
    assert.deepEqual(await states("later"), ["completed"]);
  }));
