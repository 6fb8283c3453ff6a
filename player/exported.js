// The only script of an exported world: the page, and the worker that it starts from the same file.

if (globalThis.document) {
  const [{ startPlayer }, { openLink }] = await Promise.all([
    import("./page.js"),
    import("./worker_link.js"),
  ]);
  startPlayer(openLink);
} else {
  const { runWorker } = await import("./worker.ts");
  runWorker(globalThis, new URL(".", location.href));
}
