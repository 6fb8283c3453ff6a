import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

/** Address of the server. */
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
 * another site whose name was pointed at this machine (DNS rebinding) sends that name, so only the
 * given name is accepted; when listening everywhere, any numeric address is accepted.
 */
export function isOwnHost(header: string | undefined, { hostname, port }: Listening): boolean {
  const host = header === undefined ? undefined : parseAuthority(header);
  if (!host || host.port !== port) return false;
  const wildcard = WILDCARDS.includes(hostname);
  if ((wildcard || isLoopback(hostname)) && LOCAL.includes(host.name)) return true;
  return host.name === hostname.toLowerCase() || (wildcard && isIP(host.name) !== 0);
}

/** Whether a request was made by our own page: its Origin is the address it is sent to. */
export function isOwnOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  return origin !== undefined && host !== undefined &&
    origin.toLowerCase() === `http://${host}`.toLowerCase();
}

/**
 * Whether a plain request came from our own page or from the address bar, as browsers say: by
 * Sec-Fetch-Site, which older ones do not send, and by an Origin, which only pages have.
 */
export function isOwnNavigation(headers: IncomingHttpHeaders): boolean {
  const site = headers["sec-fetch-site"];
  const fits = site === undefined || site === "same-origin" || site === "none";
  return fits && (headers.origin === undefined || isOwnOrigin(headers));
}
