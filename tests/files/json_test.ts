import { deepEqual, equal, throws } from "node:assert/strict";
import { JsonError, JsonScanner, parseJson } from "../../files/json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("parseJson() returns what JSON.parse does for sound texts", () => {
  for (
    const text of [
      `{"a":[1,-2.5e3,0.1,-0],"b":{"c":null,"d":[true,false]},"é\\u00e9\\ud83d\\ude00":"\\"\\\\\\/\\b\\f\\n\\r\\t"}`,
      ` [ ] `,
      `"x"`,
      `1e300`,
      `{"":{}}`,
    ]
  ) deepEqual(parseJson(bytes(text)), JSON.parse(text));
});

const BAD = [
  "",
  "{",
  `{"a"}`,
  `{"a":}`,
  `{"a":1,}`,
  `{a:1}`,
  `[1 2]`,
  `[,]`,
  `01`,
  `+1`,
  `1.`,
  `.5`,
  `NaN`,
  `1e400`,
  `tru`,
  `truex`,
  `"\\x41"`,
  `"\\u12"`,
  `"a\nb"`,
  `"\\ud800"`,
  `"\\udc00\\ud800"`,
  `{"a":1,"a":2}`,
  `{"a":{"b":1,"\\u0062":2}}`,
  `{"__proto__":1}`,
  `1 1`,
  "[".repeat(200),
  "[".repeat(200) + "]".repeat(200),
  "\ufeff{}",
  "{}\0",
];
for (const text of BAD) {
  Deno.test(`parseJson() refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
    throws(() => parseJson(bytes(text)), SyntaxError);
  });
}

Deno.test("parseJson() refuses bytes that are not UTF-8", () => {
  throws(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)), JsonError);
});

Deno.test("parseJson() refuses every prefix of an object", () => {
  const whole = bytes(`{"a":[1,{"b":"\\u00e9é"}],"c":null}`);
  for (let i = 0; i < whole.length; i++) {
    throws(() => parseJson(whole.slice(0, i)), SyntaxError, `${i} bytes`);
  }
});

Deno.test("JsonScanner.unsigned() keeps 64 bits exactly and takes nothing but digits", () => {
  const read = (text: string) => new JsonScanner(bytes(text)).unsigned();
  equal(read("18446744073709551615"), 18446744073709551615n);
  equal(read("9007199254740993"), 9007199254740993n);
  for (
    const text of [
      "18446744073709551616",
      "-1",
      "-0",
      "1.0",
      "1e2",
      "00",
      "",
      '"1"',
      "1".repeat(2000),
    ]
  ) {
    throws(() => read(text), JsonError, text);
  }
});
