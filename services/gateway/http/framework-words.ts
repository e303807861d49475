/**
 * What fastify and its plugins mean by their error codes, in our words. Their own texts name neither the
 * limit nor what to do.
 */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["FST_ERR_CTP_BODY_TOO_LARGE", "the JSON body is larger than 1 MiB, which is the limit"],
  ["FST_ERR_CTP_EMPTY_JSON_BODY", "the body is empty: send JSON, or no Content-Type"],
  ["FST_ERR_CTP_INVALID_JSON_BODY", "the body is not valid JSON"],
  ["FST_ERR_CTP_INVALID_CONTENT_LENGTH", "the body is not as long as the header Content-Length says"],
  ["FST_ERR_CTP_INVALID_MEDIA_TYPE", "this route does not take the Content-Type of the request"],
]);

/** Our words for an error of the framework. Of other errors, the text itself. */
export function wordsOf({ code = "", message = "" }: { code?: string; message?: string }): string {
  const words = WORDS.get(code);
  if (words === undefined) return message;
  // Which character is wrong, and why, only the parser's text says.
  const detail =
    code === "FST_ERR_CTP_INVALID_JSON_BODY" ? / (?:in JSON )?at position \d+/.exec(message)?.[0] : undefined;
  return detail === undefined ? words : words + detail.replace("in JSON ", "");
}
