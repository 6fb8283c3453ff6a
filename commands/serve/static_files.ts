import { extname, join, relative } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".safetensors": "application/octet-stream",
};
const LOCAL = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/** Answers a request with a file of a folder, or a part of it, like static hosts. */
export async function answer(request: Request, folder: string): Promise<Response> {
  // after DNS rebinding, a page of another site sends that site's name
  if (!LOCAL.test(request.headers.get("host") ?? "")) return refusal(403, "not this host");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refusal(405, "only GET and HEAD are served");
  }
  const path = await fileOf(new URL(request.url).pathname, folder);
  if (path === undefined) return refusal(404, "there is no such file");
  const file = await Deno.open(path);
  const { size } = await file.stat();
  const headers = new Headers({
    "content-type": TYPES[extname(path).toLowerCase()] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  });
  const range = parseRange(request.headers.get("range"), size);
  if (range === "unsatisfiable") {
    file.close();
    return refusal(416, "there are no such bytes", { "content-range": `bytes */${size}` });
  }
  const [start, end] = range ?? [0, size];
  headers.set("content-length", String(end - start));
  if (range) headers.set("content-range", `bytes ${start}-${end - 1}/${size}`);
  const status = range ? 206 : 200;
  if (request.method === "HEAD") {
    file.close();
    return new Response(null, { status, headers });
  }
  await file.seek(start, Deno.SeekMode.Start);
  return new Response(file.readable.pipeThrough(firstBytes(end - start)), { status, headers });
}

/** The file for a URL's path; undefined if the folder has none. */
async function fileOf(pathname: string, folder: string): Promise<string | undefined> {
  try {
    const name = decodeURIComponent(pathname);
    if (name.includes("\0") || name.includes("\\")) return undefined;
    const path = await Deno.realPath(join(folder, name, name.endsWith("/") ? "index.html" : ""));
    const inside = relative(folder, path);
    if (inside === "" || inside.startsWith("..") || !(await Deno.stat(path)).isFile) {
      return undefined;
    }
    return path;
  } catch {
    return undefined; // no such file, or no such name
  }
}

/** Start and end of a single range of bytes; the whole file for an invalid range (RFC 9110). */
function parseRange(
  header: string | null,
  size: number,
): [number, number] | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || match[1] === "" && match[2] === "") return undefined;
  const [, first, last] = match;
  if (first === "") {
    const start = Math.max(0, size - Number(last));
    return start < size ? [start, size] : "unsatisfiable";
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (start >= size) return "unsatisfiable";
  return end > start ? [start, end] : undefined;
}

/** Truncates a stream to so many bytes. */
function firstBytes(
  count: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = count;
  return new TransformStream({
    transform(chunk, controller) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      controller.enqueue(part);
      if (left === 0) controller.terminate();
    },
  });
}

function refusal(status: number, text: string, headers: HeadersInit = {}): Response {
  return new Response(`${text}\n`, { status, headers });
}
