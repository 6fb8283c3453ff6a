import settings from "../deno.json" with { type: "json" };

/** Version of the program, as outputs record it. */
export const VERSION: string = settings.version;
