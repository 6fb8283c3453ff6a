import { setTimeout as wait } from "node:timers/promises";
import { CheckpointError, quote } from "../files/errors.ts";
import type { HubSettings } from "./settings.ts";

/** What requests depend on besides the hub; replaced in tests. */
export interface FetchTools {
  /** Called with a line when a request is tried again. */
  readonly onNote?: (note: string) => void;
  /** Same as the platform's. */
  readonly fetch: typeof fetch;
  /** Waits. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
}

/** The real network, clock and random numbers. */
export const REAL_TOOLS: FetchTools = {
  fetch: (input, init) => fetch(input, init),
  sleep,
  random: Math.random,
};

const MOST_HOPS = 5;
const MOST_TRIES = 5;
const LONGEST_WAIT = 60;
/** Statuses after which a retry may succeed. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Largest answer of the hub's API, which lists files: a page has 1000 entries. */
const LARGEST_ANSWER = 8 * 1024 * 1024;
/** A slow answer must be complete within this many timeouts. */
const DROPS = 10;

/**
 * A fetch for one hub. The token is sent only to the hub's own origin, which is why redirects are
 * followed here; requests to busy servers and broken connections are retried.
 */
export function hubFetch(settings: HubSettings, tools: FetchTools = REAL_TOOLS): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const pause = async (why: string, milliseconds: number) => {
      const wait = Math.min(milliseconds, LONGEST_WAIT * 1000);
      tools.onNote?.(`${hostOf(url)}: ${why}; trying again in ${Math.ceil(wait / 1000)} s`);
      await tools.sleep(wait, init.signal ?? undefined);
    };
    for (let attempt = 1;; attempt++) {
      let response: Response;
      try {
        response = await follow(url, init, settings, tools);
      } catch (cause) {
        if (cause instanceof CheckpointError || init.signal?.aborted) throw cause;
        if (attempt === MOST_TRIES) throw unreachable(url, cause);
        await pause(reasonOf(cause), backoff(attempt, tools.random()));
        continue;
      }
      const { status, headers } = response;
      if (!PASSING.has(status) || attempt === MOST_TRIES) return response;
      await response.body?.cancel().catch(() => {});
      const wanted = retryAfter(headers.get("retry-after"), Date.now());
      await pause(`status ${status}`, wanted ?? backoff(attempt, tools.random()));
    }
  };
}

/** The same for the API: answers are read completely, with a limit on size and time. */
export function hubApiFetch(settings: HubSettings, tools: FetchTools = REAL_TOOLS): typeof fetch {
  const inner = hubFetch(settings, tools);
  return async (input, init) => {
    const response = await inner(input, init);
    if (!response.body) return response;
    const whole = await readAnswer(response.body, settings.timeout, init?.signal ?? undefined);
    const { status, statusText, headers } = response;
    return new Response(whole, { status, statusText, headers });
  };
}

async function readAnswer(
  body: ReadableStream<Uint8Array>,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<Blob> {
  const reader = body.getReader();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const end = Date.now() + DROPS * seconds * 1000;
  try {
    for (let size = 0;;) {
      if (Date.now() > end) throw new Error(`it took longer than ${DROPS * seconds} s`);
      const { value, done } = await readWithin(reader, seconds);
      signal?.throwIfAborted();
      if (done) return new Blob(pieces);
      size += value.length;
      if (size > LARGEST_ANSWER) throw refuse("its answer is too long");
      pieces.push(value.slice());
    }
  } catch (cause) {
    if (cause instanceof CheckpointError || signal?.aborted) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refuse(`its answer broke off (${why})`, true);
  } finally {
    reader.cancel().catch(() => {}); // not waited for: the other side may never answer
  }
}

/** The next piece of a body. @throws {Error} it did not come in time */
export async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  seconds: number,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  const { promise: stalled, reject } = Promise.withResolvers<never>();
  const late = () => reject(new Error(`no data for ${seconds} s`));
  const timer = setTimeout(late, Math.max(0, seconds * 1000));
  try {
    return await Promise.race([reader.read(), stalled]);
  } finally {
    clearTimeout(timer);
  }
}

async function follow(
  start: string,
  init: RequestInit,
  settings: HubSettings,
  tools: FetchTools,
): Promise<Response> {
  const origin = new URL(settings.endpoint).origin;
  let url = new URL(start);
  let linked: string | null = null;
  for (let hop = 0; hop <= MOST_HOPS; hop++) {
    const headers = new Headers(init.headers);
    headers.delete("authorization");
    headers.set("user-agent", "far");
    if (settings.token && url.origin === origin) {
      headers.set("authorization", `Bearer ${settings.token}`);
    }
    const request = { ...init, headers, redirect: "manual" } as const;
    const response = await answerSoon(tools, url, request, settings.timeout);
    const location = response.headers.get("location");
    // Only the hub knows which content it points to; the store behind it does not.
    if (url.origin === origin) linked ??= response.headers.get("x-linked-etag");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) {
      return linked === null ? response : withHeader(response, "x-linked-etag", linked);
    }
    await response.body?.cancel();
    url = nextHop(url, location);
  }
  throw refuse(`more than ${MOST_HOPS} redirects from ${hostOf(start)}`);
}

/** An answer must begin in time; the reader of its body watches the rest. */
async function answerSoon(
  tools: FetchTools,
  url: URL,
  init: RequestInit,
  seconds: number,
): Promise<Response> {
  const controller = new AbortController();
  const signals = init.signal ? [controller.signal, init.signal] : [controller.signal];
  const late = () => controller.abort(new Error(`no answer for ${seconds} s`));
  const timer = setTimeout(late, seconds * 1000);
  try {
    return await tools.fetch(url, { ...init, signal: AbortSignal.any(signals) });
  } finally {
    clearTimeout(timer);
  }
}

function nextHop(from: URL, location: string): URL {
  const url = URL.parse(location, from);
  const secure = url?.protocol === "https:" ||
    (url?.protocol === "http:" && from.protocol === "http:");
  if (url && secure && url.username === "" && url.password === "") return url;
  throw refuse(`${from.host} redirects to ${quote(location)}, which is not secure`);
}

function withHeader(response: Response, name: string, value: string): Response {
  if (response.headers.get(name) === value) return response;
  const headers = new Headers(response.headers);
  headers.set(name, value);
  const { status, statusText } = response;
  const empty = [101, 204, 205, 304].includes(status);
  return new Response(empty ? null : response.body, { status, statusText, headers });
}

/** Milliseconds to wait: random, up to a limit that doubles to at most a minute. */
function backoff(attempt: number, chance: number): number {
  return Math.min(LONGEST_WAIT, 2 ** attempt) * 1000 * chance;
}

/** Milliseconds that a Retry-After header asks for, in seconds or as a date. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function refuse(why: string, temporary = false): CheckpointError {
  return new CheckpointError(`Cannot fetch from the hub: ${why}`, { reason: "Hub", temporary });
}

function unreachable(url: string, cause: unknown): CheckpointError {
  return new CheckpointError(`Cannot reach ${hostOf(url)}: ${reasonOf(cause)}`, {
    reason: "Hub",
    temporary: true,
    cause,
  });
}

/**
 * Why a request failed. fetch only says that it did; its cause has the reason, but also the address
 * with its signature.
 */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const text = inner instanceof Error ? inner.message : String(inner);
  const why = text.split("\n")[0]!
    .replace(/^error sending request .*?: client error \(\w+\)(: )?/, "")
    .replaceAll(/\bhttps?:\/\/\S+/g, "...");
  return why || "it closed the connection before its answer";
}

/** Only the host of an address: the rest may contain signatures. */
function hostOf(url: string): string {
  return URL.parse(url)?.host ?? quote(url);
}

/** @throws the signal's reason */
async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal }).catch(() => signal?.throwIfAborted());
}
