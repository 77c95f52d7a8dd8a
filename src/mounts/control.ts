/** The control socket of a mount: HTTP over a Unix socket, for the user's own processes only. */
import { request } from "node:http";
import { json } from "node:stream/consumers";
import { type ErrorBody, errorFromBody, UserError } from "../base/errors.js";

/**
 * One request to a mount's holder.
 * @throws UserError from the holder, or an Error with `code` (ECONNREFUSED: there is no listener)
 */
export function callControl(path: string, method: "GET" | "POST", url: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: path, method, path: url, timeout: timeoutMs }, (incoming) => {
      json(incoming).then((body) => {
        if (incoming.statusCode === 200) resolve(body);
        else reject(errorFromBody(body as ErrorBody));
      }, reject);
    });
    outgoing.on("timeout", () =>
      outgoing.destroy(new UserError(path, "the holder does not answer", { code: "ETIMEDOUT" })),
    );
    outgoing.on("error", reject);
    outgoing.end();
  });
}
