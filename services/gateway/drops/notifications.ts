import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";

/** A change of one object of the drop store. */
export interface Notification {
  /** The object's key without the store's prefix. */
  key: string;
  kind: "created" | "removed";
}

/** SNS in SQS in Lambda, plus one. */
const WRAPPINGS_MAX = 4;

/** The S3 format, also used by MinIO, Ceph and others. The key is form-encoded: `+` is a space. */
const s3Record = z.object({
  eventName: z.string(),
  s3: z.object({ bucket: z.object({ name: z.string() }), object: z.object({ key: z.string() }) }),
});
/** S3 events from EventBridge. The key is not encoded. */
const eventBridge = z.object({
  "detail-type": z.string(),
  detail: z.object({ bucket: z.object({ name: z.string() }), object: z.object({ key: z.string() }) }),
});
/** SeaweedFS filer webhook. The key is the filer path, for a moved object its old one. */
const filerEvent = z.object({
  event_type: z.string(),
  key: z.string(),
  message: z.object({
    old_entry: z.object({ name: z.string(), is_directory: z.boolean().optional() }).nullish(),
    new_entry: z.object({ name: z.string(), is_directory: z.boolean().optional() }).nullish(),
    new_parent_path: z.string().optional(),
  }),
});
/** JSON text inside JSON: SNS, SQS (received directly, or through Lambda), SNS through Lambda. */
const wrapping = z.union([
  z.object({ Type: z.literal("Notification"), Message: z.string() }).transform(({ Message }) => [Message]),
  z.object({ Messages: z.array(z.object({ Body: z.string() })) }).transform((all) => all.Messages.map((m) => m.Body)),
  z.object({ Body: z.string() }).transform(({ Body }) => [Body]),
  z.object({ body: z.string() }).transform(({ body }) => [body]),
  z.object({ Sns: z.object({ Message: z.string() }) }).transform(({ Sns }) => [Sns.Message]),
]);

/**
 * Parses object store notifications: S3 events, plain or wrapped by SNS, SQS or EventBridge, and SeaweedFS
 * filer webhooks. Returns nothing for other buckets, prefixes and event types.
 * @throws BAD_REQUEST for other formats, and for events without a key
 */
export function readNotification(body: unknown, storeUrl: string): Notification[] {
  const [, bucket, prefix = ""] = /^s3:\/\/([^/?]+)(?:\/([^?]*?)\/*)?(?:\?.*)?$/i.exec(storeUrl) ?? [];
  const inside = prefix === "" ? "" : `${prefix}/`;
  return objectsOf(body, 0).flatMap((object) => {
    const ours = object.bucket === bucket && object.key.startsWith(inside) && object.key.length > inside.length;
    return ours ? [{ key: object.key.slice(inside.length), kind: object.kind }] : [];
  });
}

interface BucketObject extends Notification {
  bucket: string;
}

function objectsOf(body: unknown, depth: number): BucketObject[] {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw malformed("not a JSON object");
  if (depth > WRAPPINGS_MAX) throw malformed(`more than ${WRAPPINGS_MAX} levels of wrapping`);
  const wrapped = wrapping.safeParse(body);
  if (wrapped.success) return wrapped.data.flatMap((text) => objectsOf(parseJson(text), depth + 1));
  if ("s3" in body) return ofS3(read(s3Record, body));
  if ("detail-type" in body) return ofEventBridge(body);
  if ("event_type" in body) return ofFiler(read(filerEvent, body));
  if (!("Records" in body)) return [];
  if (!Array.isArray(body.Records)) throw malformed("Records is not an array");
  return body.Records.flatMap((record) => objectsOf(record, depth + 1));
}

function ofS3({ eventName, s3 }: z.infer<typeof s3Record>): BucketObject[] {
  const kind = kindOf(eventName, /(^|:)ObjectCreated/, /(^|:)ObjectRemoved|(^|:)LifecycleExpiration:Delete/);
  return kind ? [{ bucket: s3.bucket.name, key: formDecoded(s3.object.key), kind }] : [];
}

function ofEventBridge(body: object): BucketObject[] {
  const event = eventBridge.safeParse(body).data;
  const kind = event && kindOf(event["detail-type"], /^Object Created$/, /^Object Deleted$/);
  return kind ? [{ bucket: event.detail.bucket.name, key: event.detail.object.key, kind }] : [];
}

function ofFiler({ key, message }: z.infer<typeof filerEvent>): BucketObject[] {
  const { old_entry: before, new_entry: after, new_parent_path: folder } = message;
  const objects: BucketObject[] = [];
  const add = (path: string, kind: Notification["kind"]): void => {
    const [, bucket, name] = /^\/buckets\/([^/]+)\/(.+)$/s.exec(path) ?? [];
    // Unfinished multipart uploads keep their parts in the bucket's folder.
    if (bucket && name && !name.startsWith(".uploads/")) objects.push({ bucket, key: name, kind });
  };
  const newPath = after && (folder === undefined ? key : `${folder}/${after.name}`);
  if (before && !before.is_directory && key !== newPath) add(key, "removed");
  if (newPath && !after.is_directory) add(newPath, "created");
  return objects;
}

function kindOf(event: string, created: RegExp, removed: RegExp): Notification["kind"] | undefined {
  if (created.test(event)) return "created";
  return removed.test(event) ? "removed" : undefined;
}

function read<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const { success, data, error } = schema.safeParse(value);
  if (!success) throw malformed(`${error.issues[0]!.path.join(".")}: ${error.issues[0]!.message}`);
  return data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("the wrapped message is not JSON");
  }
}

function formDecoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    throw malformed("a key is not URL-encoded");
  }
}

const malformed = (why: string): TributaryError =>
  new TributaryError("BAD_REQUEST", `not an object store notification: ${why}`);
