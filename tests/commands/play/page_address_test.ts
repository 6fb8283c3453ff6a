import assert from "node:assert/strict";
import { browserCommand, lanAddresses, qrCode } from "../../../commands/play/page_address.ts";

Deno.test("lanAddresses() gives addresses of this machine on a network, real cards first", () => {
  const card = (name: string, address: string) => ({ name, address }) as Deno.NetworkInterfaceInfo;
  const found = lanAddresses([
    card("lo", "127.0.0.1"),
    card("docker0", "172.17.0.1"),
    card("eth0", "fe80::1"),
    card("eth0", "192.168.1.20"),
    card("eth1", "169.254.3.4"),
  ]);
  assert.deepEqual(found, ["192.168.1.20", "172.17.0.1"]);
});

Deno.test("qrCode() draws the code of an address, with its three corners", () => {
  const lines = qrCode("http://192.168.1.20:8420/").split("\n");
  assert.ok(lines.length >= 13 && lines.every((line) => line.length === lines[0]!.length));
});

Deno.test("browserCommand() has each system's command for opening an address", () => {
  const url = "http://127.0.0.1:8420/";
  assert.deepEqual(browserCommand(url, "linux"), ["xdg-open", url]);
  assert.deepEqual(browserCommand(url, "darwin"), ["open", url]);
  assert.deepEqual(browserCommand(url, "windows"), ["explorer.exe", url]);
});
