import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../../../lib/errors.ts";
import { readNotification } from "../../../../services/gateway/drops/notifications.ts";

const STORE = "s3://csv-uploads";
const record = (eventName: string, key: string, bucket = "csv-uploads") => ({
  eventVersion: "2.1",
  eventSource: "aws:s3",
  eventTime: "2024-01-15T12:00:00.000Z",
  eventName,
  s3: { s3SchemaVersion: "1.0", bucket: { name: bucket, arn: "arn:aws:s3:::x" }, object: { key, size: 3, eTag: "e" } },
});
const put = (key: string, bucket?: string) => record("ObjectCreated:Put", key, bucket);
const jan = [{ key: "sales/jan.csv", kind: "created" as const }];
const refused = (body: unknown) =>
  assert.throws(
    () => readNotification(body, STORE),
    (error) => hasCode(error, "BAD_REQUEST"),
    JSON.stringify(body),
  );

test("reads S3 events, several at once, keys decoded", () => {
  const events = [
    put("sales/jan.csv"),
    record("s3:ObjectCreated:CompleteMultipartUpload", "sales/a+b%2Bc%20%C3%A9%2Fx.csv"),
    record("ObjectRemoved:Delete", "sales/old.csv"),
    record("ObjectRemoved:DeleteMarkerCreated", "sales/older.csv"),
    record("LifecycleExpiration:Delete", "sales/oldest.csv"),
    record("ObjectTagging:Put", "sales/tagged.csv"),
    record("ReducedRedundancyLostObject", "sales/lost.csv"),
    put("sales/jan.csv", "another-bucket"),
  ];
  assert.deepEqual(readNotification({ Records: events }, STORE), [
    ...jan,
    { key: "sales/a b+c é/x.csv", kind: "created" },
    { key: "sales/old.csv", kind: "removed" },
    { key: "sales/older.csv", kind: "removed" },
    { key: "sales/oldest.csv", kind: "removed" },
  ]);
});

test("keys lose the store's prefix, and objects outside it are ignored", () => {
  const body = { Records: [put("drops/eu/sales/jan.csv"), put("drops/eu/"), put("drops/europe/x.csv"), put("x.csv")] };
  for (const url of ["s3://csv-uploads/drops/eu", "s3://csv-uploads/drops/eu/?endpoint=http://h:1&region=r"]) {
    assert.deepEqual(readNotification(body, url), jan);
  }
  assert.deepEqual(readNotification({ Records: [put("sales/jan.csv")] }, `${STORE}/?region=eu-west-1`), jan);
  assert.deepEqual(readNotification({ Records: [put("sales/jan.csv")] }, "file:/data/drops"), []);
});

test("unwraps SNS, SQS, both, and events through Lambda", () => {
  const event = JSON.stringify({ Records: [put("sales/jan.csv")] });
  const sns = { Type: "Notification", MessageId: "1", TopicArn: "arn", Message: event };
  for (const body of [
    sns,
    { Messages: [{ MessageId: "1", Body: event }] },
    { Messages: [{ Body: JSON.stringify(sns) }] },
    { MessageId: "1", Body: event },
    { Records: [{ messageId: "1", eventSource: "aws:sqs", body: event }] },
    { Records: [{ messageId: "1", eventSource: "aws:sqs", body: JSON.stringify(sns) }] },
    { Records: [{ EventSource: "aws:sns", Sns: { Message: event } }] },
  ]) {
    assert.deepEqual(readNotification(body, STORE), jan, JSON.stringify(body));
  }
});

test("reads EventBridge, whose keys are not encoded", () => {
  const detail = { bucket: { name: "csv-uploads" }, object: { key: "sales/a+b%20.csv", etag: "e" } };
  const event = { version: "0", source: "aws.s3", "detail-type": "Object Created", detail };
  assert.deepEqual(readNotification(event, STORE), [{ key: "sales/a+b%20.csv", kind: "created" }]);
  const gone = { ...event, "detail-type": "Object Deleted" };
  assert.deepEqual(readNotification(gone, STORE), [{ key: "sales/a+b%20.csv", kind: "removed" }]);
  assert.deepEqual(readNotification({ ...event, "detail-type": "Object Tags Added" }, STORE), []);
});

test("reads SeaweedFS's filer webhook", () => {
  const file = (name: string) => ({ name, chunks: [{ size: 4 }], attributes: { file_size: 4, mtime: 1 } });
  const folder = (name: string) => ({ name, is_directory: true, attributes: { mtime: 1 } });
  const filer = (event_type: string, key: string, message: object) =>
    readNotification({ event_type, key: `/buckets/${key}`, message: { signatures: [-1], ...message } }, STORE);
  const inSales = { new_parent_path: "/buckets/csv-uploads/sales" };
  assert.deepEqual(filer("create", "csv-uploads/sales/jan.csv", { new_entry: file("jan.csv"), ...inSales }), jan);
  const twice = { old_entry: file("é+%20.csv"), new_entry: file("é+%20.csv"), ...inSales };
  assert.deepEqual(filer("update", "csv-uploads/sales/é+%20.csv", twice), [
    { key: "sales/é+%20.csv", kind: "created" },
  ]);
  assert.deepEqual(filer("delete", "csv-uploads/sales/x.csv", { old_entry: file("x.csv") }), [
    { key: "sales/x.csv", kind: "removed" },
  ]);
  const renamed = { old_entry: file("x.csv"), new_entry: file("jan.csv"), ...inSales };
  assert.deepEqual(filer("rename", "csv-uploads/in/x.csv", renamed), [{ key: "in/x.csv", kind: "removed" }, ...jan]);
  assert.deepEqual(filer("create", "csv-uploads/sales", { new_entry: folder("sales") }), []);
  assert.deepEqual(
    filer("create", "csv-uploads", { new_entry: folder("csv-uploads"), new_parent_path: "/buckets" }),
    [],
  );
  const part = { new_entry: file("0001.part"), new_parent_path: "/buckets/csv-uploads/.uploads/1" };
  assert.deepEqual(filer("create", "csv-uploads/.uploads/1/0001.part", part), []);
  assert.deepEqual(filer("create", "other/x.csv", { new_entry: file("x.csv"), new_parent_path: "/buckets/other" }), []);
});

test("events of other buckets and types give nothing", () => {
  for (const body of [
    {},
    { Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "csv-uploads" },
    { Type: "SubscriptionConfirmation", SubscribeURL: "https://sns.example/" },
    { Records: [] },
    { Records: [{ eventSource: "aws:dynamodb", eventName: "INSERT" }] },
  ]) {
    assert.deepEqual(readNotification(body, STORE), [], JSON.stringify(body));
  }
});

test("malformed notifications are refused", () => {
  for (const body of [
    null,
    "text",
    7,
    [],
    { Records: "none" },
    { Records: [7] },
    { Records: [{ s3: {} }] },
    { Records: [{ eventName: "ObjectCreated:Put", s3: { bucket: { name: "csv-uploads" }, object: {} } }] },
    { Records: [put("sales/%ZZ.csv")] },
    { Type: "Notification", Message: "hello" },
    { Type: "Notification", Message: "[]" },
    { event_type: "create", key: "/buckets/csv-uploads/x.csv" },
    { event_type: "create", message: {} },
  ]) {
    refused(body);
  }
  let wrapped = JSON.stringify({ Records: [put("x")] });
  for (let n = 0; n < 6; n++) wrapped = JSON.stringify({ Body: wrapped });
  refused(JSON.parse(wrapped));
});

test("any input gives a result or BAD_REQUEST", () => {
  const names = fc.constantFrom(
    "Records",
    "s3",
    "body",
    "Body",
    "Messages",
    "Message",
    "Type",
    "event_type",
    "message",
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, fc.jsonValue(), fc.dictionary(names, tie("tree")), fc.array(tie("tree"))),
  }));
  fc.assert(
    fc.property(tree, (body) => {
      try {
        assert.ok(Array.isArray(readNotification(body, STORE)));
      } catch (error) {
        assert.ok(hasCode(error, "BAD_REQUEST"), String(error));
      }
    }),
  );
});
