import { isIP } from "node:net";

/** Where the server listens. */
export interface Listening {
  readonly hostname: string;
  readonly port: number;
}

/** The name and port of an authority such as `127.0.0.1:8080` or `[::1]:8080`. */
function parseAuthority(text: string): { name: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::(\d{1,5}))?$/i.exec(text);
  if (!match) return undefined;
  return { name: (match[1] ?? match[2]!).toLowerCase(), port: Number(match[3] ?? 80) };
}

const WILDCARDS = ["0.0.0.0", "::"];
const LOCAL = ["127.0.0.1", "::1", "localhost"];

/** Whether only this machine can reach an address. */
export function isLoopback(hostname: string): boolean {
  return LOCAL.includes(hostname.toLowerCase()) || /^127(\.\d+){3}$/.test(hostname);
}

/**
 * Whether a Host header is one that a browser sends when the user typed our address. A page of
 * another site whose name was pointed at this machine (DNS rebinding) sends that name, so names are
 * only taken as they were given; when listening everywhere, any numeric address is right.
 */
export function isOwnHost(header: string | null, { hostname, port }: Listening): boolean {
  const host = header === null ? undefined : parseAuthority(header);
  if (!host || host.port !== port) return false;
  const wildcard = WILDCARDS.includes(hostname);
  if ((wildcard || isLoopback(hostname)) && LOCAL.includes(host.name)) return true;
  return host.name === hostname.toLowerCase() || (wildcard && isIP(host.name) !== 0);
}

/** Whether a request was made by our own page: its Origin is the address it is sent to. */
export function isOwnOrigin(headers: Headers): boolean {
  const origin = headers.get("origin");
  const host = headers.get("host");
  return origin !== null && host !== null &&
    origin.toLowerCase() === `http://${host}`.toLowerCase();
}

/** Whether a plain request came from our own page or from the address bar, as browsers tell. */
export function isOwnNavigation(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  return site === null || site === "same-origin" || site === "none";
}
