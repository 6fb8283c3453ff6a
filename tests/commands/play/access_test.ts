import assert from "node:assert/strict";
import {
  isLoopback,
  isOwnHost,
  isOwnNavigation,
  isOwnOrigin,
} from "../../../commands/play/access.ts";

Deno.test("isOwnHost() takes the addresses of this machine, with the port", () => {
  const listening = { hostname: "127.0.0.1", port: 8420 };
  for (const host of ["127.0.0.1:8420", "localhost:8420", "LOCALHOST:8420", "[::1]:8420"]) {
    assert.ok(isOwnHost(host, listening), host);
  }
});

Deno.test("isOwnHost() refuses names that were pointed at this machine", () => {
  const listening = { hostname: "127.0.0.1", port: 8420 };
  const foreign = [
    "evil.example:8420",
    "127.0.0.1.evil.example:8420",
    "127.0.0.1",
    "127.0.0.1:80",
    "localhost.:8420",
    "user@localhost:8420",
    "192.168.0.7:8420",
    "",
  ];
  for (const host of foreign) assert.ok(!isOwnHost(host, listening), host);
  assert.ok(!isOwnHost(undefined, listening));
});

Deno.test("isOwnHost() takes any number but no foreign name when listening everywhere", () => {
  const listening = { hostname: "0.0.0.0", port: 80 };
  assert.ok(isOwnHost("192.168.0.7", listening));
  assert.ok(isOwnHost("[fe80::1]:80", listening));
  assert.ok(isOwnHost("localhost", listening));
  assert.ok(!isOwnHost("evil.example", listening));
});

Deno.test("isOwnHost() takes the name that was given", () => {
  assert.ok(isOwnHost("maze.lan:9000", { hostname: "maze.lan", port: 9000 }));
  assert.ok(!isOwnHost("localhost:9000", { hostname: "maze.lan", port: 9000 }));
});

Deno.test("isOwnOrigin() requires the origin to be the host", () => {
  const own = { host: "localhost:8420", origin: "http://localhost:8420" };
  assert.ok(isOwnOrigin(own));
  for (const origin of ["https://localhost:8420", "http://evil.example", "null"]) {
    assert.ok(!isOwnOrigin({ ...own, origin }), origin);
  }
  assert.ok(!isOwnOrigin({ host: own.host }));
});

Deno.test("isOwnNavigation() refuses what other sites ask for", () => {
  const from = (site: string) => ({ "sec-fetch-site": site });
  assert.ok(isOwnNavigation({}));
  assert.ok(isOwnNavigation(from("same-origin")) && isOwnNavigation(from("none")));
  assert.ok(!isOwnNavigation(from("cross-site")) && !isOwnNavigation(from("same-site")));
  const host = "localhost:8420"; // browsers that send no Sec-Fetch-Site still send an Origin
  assert.ok(isOwnNavigation({ host, origin: `http://${host}` }));
  for (const origin of ["http://evil.example", "null", `https://${host}`]) {
    assert.ok(!isOwnNavigation({ host, origin }), origin);
    assert.ok(!isOwnNavigation({ host, origin, ...from("none") }), origin);
  }
});

Deno.test("isLoopback() recognises addresses that other machines cannot reach", () => {
  for (const name of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) assert.ok(isLoopback(name));
  for (const name of ["0.0.0.0", "192.168.0.7", "127.evil.example"]) assert.ok(!isLoopback(name));
});
