/**
 * Files as users, programs and attackers send them, with the expected result: rows and rejects, or one clear
 * error.
 */
import { deflateRawSync, gzipSync } from "node:zlib";

/** [line, column (null: the whole row), reason] */
export type ExpectedReject = readonly [line: number, column: string | null, reason: string];

export interface HostileFile {
  name: string;
  /** Name as in the URL; default: f.csv. */
  file?: string;
  body: string | Buffer;
  query?: string;
  headers?: Record<string, string>;
  /** YAML of the table's contract, without its `table`. */
  contract?: string;
  /** Files of the same table that are committed before. */
  before?: readonly (string | Buffer)[];
  /** Content that the table must accept afterwards; default: a column `pulse`. */
  good?: string;
  want: RefusedRequest | FailedFile | TakenFile;
}

/** The gateway refuses the request; nothing is stored. */
export interface RefusedRequest {
  http: number;
  code: string;
  message: RegExp;
}

/** The file is stored and ends as `failed`. */
export interface FailedFile {
  code: string;
  message: RegExp;
}

export interface TakenFile {
  /**
   * Rows of the file's columns: `SELECT <columns> FROM <table> WHERE _source_file = … ORDER BY _source_row`.
   */
  rows: readonly (readonly unknown[])[] | number;
  /** Names and types of the columns, if the case tests them. */
  columns?: readonly string[];
  rejects?: readonly ExpectedReject[];
}

const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));

const utf16 = (text: string, bom = false): Buffer => Buffer.from((bom ? "\ufeff" : "") + text, "utf16le");

/** A zstd frame of run-length blocks: four bytes expand to 128 KiB. */
function zstdBomb(blocks: number): Buffer {
  const block = (last: boolean): number[] => [(0 << 3) | 2 | (last ? 1 : 0), 0, 0x10, 0x61];
  return bytes(
    [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58],
    Array.from({ length: blocks }, (_, index) => block(index === blocks - 1)).flat(),
  );
}

/** A ZIP archive with one deflated file. */
function zip(name: string, content: string): Buffer {
  const data = deflateRawSync(content);
  const header = Buffer.alloc(30);
  header.write("PK\x03\x04", "latin1");
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(data.length, 18);
  header.writeUInt32LE(content.length, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), data]);
}

const columnsOf = (count: number): string => Array.from({ length: count }, (_, i) => `c${i}`).join(",");

const COMPRESSED: HostileFile[] = [
  {
    name: "a gzip bomb",
    file: "bomb.csv.gz",
    body: gzipSync(Buffer.concat([Buffer.from("a\n"), Buffer.alloc(60_000_000, `${"x".repeat(99_999)}\n`)])),
    want: { code: "FILE_EXPANDS_TOO_FAR", message: /expands to more than \d+ bytes from \d+/ },
  },
  {
    name: "a zstd bomb",
    file: "bomb.csv.zst",
    body: zstdBomb(4_000),
    want: { code: "FILE_HEADER_TOO_LONG", message: /header is longer than 262144 bytes/ },
  },
  {
    name: "a zstd frame that requests a window of 1 GB",
    body: bytes([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0], Array<number>(100).fill(0)),
    want: { code: "FILE_EXPANDS_TOO_FAR", message: /window of more than 128 MiB/ },
  },
  {
    name: "a truncated gzip file",
    file: "cut.csv.gz",
    body: gzipSync(`id,name\n${"1,some name\n".repeat(5_000)}`).subarray(0, -20),
    want: { code: "FILE_CORRUPT", message: /damaged.*unexpected end/ },
  },
  {
    name: "gzip within gzip",
    file: "twice.csv.gz.gz",
    body: gzipSync(gzipSync("id\n1\n")),
    want: { code: "FILE_NOT_CSV", message: /gzip data that was compressed twice/ },
  },
  {
    name: "two concatenated gzip members",
    body: Buffer.concat([gzipSync("id,name\n1,a\n"), gzipSync("2,b\n")]),
    want: {
      rows: [
        [1, "a"],
        [2, "b"],
      ],
    },
  },
  {
    name: "garbage after the gzip data",
    body: Buffer.concat([gzipSync("id\n1\n"), Buffer.from("this is not gzip")]),
    want: { code: "FILE_CORRUPT", message: /damaged/ },
  },
  {
    name: "zeros after the gzip data, as from tapes and block copies",
    body: Buffer.concat([gzipSync("id\n1\n"), Buffer.alloc(512)]),
    want: { rows: [[1]] },
  },
  {
    name: "an empty gzip member",
    body: gzipSync(""),
    want: { code: "FILE_EMPTY", message: /no header and no rows/ },
  },
  {
    name: "plain text with a gzip extension",
    file: "plain.csv.gz",
    body: "id\n7\n",
    want: { rows: [[7]] },
  },
  {
    name: "an unknown Content-Encoding",
    body: "id\n1\n",
    headers: { "content-encoding": "br" },
    want: { http: 415, code: "UNSUPPORTED_ENCODING", message: /'br'/ },
  },
];

const OTHER_FORMATS: HostileFile[] = [
  {
    name: "a ZIP archive",
    file: "data.zip",
    body: zip("data.csv", "id\n1\n"),
    want: { code: "FILE_NOT_CSV", message: /ZIP archive/ },
  },
  {
    name: "an Excel workbook called .csv",
    body: zip("[Content_Types].xml", "<?xml version='1.0'?><Types/>"),
    want: { code: "FILE_NOT_CSV", message: /Excel workbook/ },
  },
  {
    name: "a Parquet file",
    body: bytes("PAR1", [0x15, 0x04, 0x15, 0x10], Array<number>(200).fill(3), "PAR1"),
    want: { code: "FILE_NOT_CSV", message: /Parquet/ },
  },
  {
    name: "a PDF document",
    body: bytes("%PDF-1.7\n%", [0xe2, 0xe3, 0xcf, 0xd3], "\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"),
    want: { code: "FILE_NOT_CSV", message: /PDF/ },
  },
  {
    name: "JSON",
    file: "data.csv",
    body: '[{"id": 1, "name": "a"},\n {"id": 2, "name": "b"}]\n',
    want: { code: "FILE_NOT_CSV", message: /JSON/ },
  },
  {
    name: "JSON lines",
    body: '{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\n',
    want: { code: "FILE_NOT_CSV", message: /JSON/ },
  },
  {
    name: "an HTML error page saved as the file",
    body: "<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head>\n<body>Try later</body></html>\n",
    want: { code: "FILE_NOT_CSV", message: /HTML/ },
  },
  {
    name: "XML, for example an S3 error",
    body: '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Denied</Message></Error>\n',
    want: { code: "FILE_NOT_CSV", message: /XML/ },
  },
  {
    name: "random bytes",
    body: Buffer.from(Array.from({ length: 4_096 }, (_, i) => (i * 7_919 + (i >> 3) * 104_729) & 0xff)),
    want: { code: "FILE_NOT_CSV", message: /binary data/ },
  },
];

const ENCODINGS: HostileFile[] = [
  {
    name: "NUL bytes in the middle of a row",
    body: "id,name\n1,a\n2,b\0c\n3,d\n",
    want: {
      rows: [
        [1, "a"],
        [3, "d"],
      ],
      rejects: [[3, null, "nul_byte"]],
    },
  },
  {
    name: "UTF-16 without a byte-order mark",
    body: utf16("id,name\n1,Zoë\n2,b\n"),
    want: {
      rows: [
        [1, "Zoë"],
        [2, "b"],
      ],
    },
  },
  {
    name: "UTF-16 that ends inside a character",
    body: utf16("id,name\n1,a\n2,b\n3,c", true).subarray(0, -1),
    want: {
      rows: [
        [1, "a"],
        [2, "b"],
      ],
      rejects: [[4, null, "encoding"]],
    },
  },
  {
    name: "UTF-16 with a lone surrogate",
    body: Buffer.concat([utf16("id,name\n1,a\n2,", true), Buffer.from([0x00, 0xd8]), utf16("\n3,c\n")]),
    want: {
      rows: [
        [1, "a"],
        [3, "c"],
      ],
      rejects: [[3, null, "encoding"]],
    },
  },
  {
    name: "UTF-32",
    body: bytes([0xff, 0xfe, 0, 0, 0x69, 0, 0, 0, 0x64, 0, 0, 0, 0x0a, 0, 0, 0]),
    want: { code: "FILE_ENCODING_UNKNOWN", message: /UTF-32/ },
  },
  {
    name: "UTF-8 with a few rows in Latin-1",
    body: bytes("id,name\n1,Zoë\n2,Käthe\n3,M", [0xfc], "ller\n4,Øre\n"),
    want: {
      rows: [
        [1, "Zoë"],
        [2, "Käthe"],
        [4, "Øre"],
      ],
      rejects: [[4, null, "encoding"]],
    },
  },
  {
    name: "Latin-1 in all rows",
    body: Buffer.from("id,name\n1,Zoë\n2,Käthe\n", "latin1"),
    want: {
      rows: [
        [1, "Zoë"],
        [2, "Käthe"],
      ],
    },
  },
  {
    name: "overlong UTF-8 and surrogates encoded in UTF-8",
    body: bytes("id,name\n1,éé\n2,éé\n3,", [0xc0, 0xaf], "\n4,", [0xed, 0xa0, 0x80], "\n5,ü\n6,ü\n"),
    want: {
      rows: [
        [1, "éé"],
        [2, "éé"],
        [5, "ü"],
        [6, "ü"],
      ],
      rejects: [
        [4, null, "encoding"],
        [5, null, "encoding"],
      ],
    },
  },
  {
    name: "a byte-order mark in the middle: two concatenated exports",
    body: "\ufeffid,name\n1,a\n\ufeffid,name\n2,b\n\ufeff3,c\n",
    before: ["id,name\n9,z\n"],
    want: {
      rows: [
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ],
    },
  },
  {
    name: "bidirectional and invisible characters in the header",
    body: "\u202eid\u200b,na\u2066me\u2069\n1,a\n",
    want: { rows: [[1, "a"]], columns: ["id INTEGER", "name VARCHAR"] },
  },
  {
    name: "a NUL byte in the header",
    body: "id,na\0me\n1,a\n",
    want: { code: "FILE_ENCODING_UNKNOWN", message: /header.*nul byte/ },
  },
  {
    name: "a byte-order mark that contradicts the declared encoding",
    query: "?encoding=windows-1252",
    body: "\ufeffid,name\n1,Zoë\n",
    want: { rows: [[1, "Zoë"]], columns: ["id INTEGER", "name VARCHAR"] },
  },
  {
    name: "a wrong declared encoding",
    query: "?encoding=utf-16le",
    body: "id,name\n1,a\n",
    want: { code: "FILE_ENCODING_UNKNOWN", message: /declared as utf-16le, but contains only ASCII/ },
  },
];

const SHAPES: HostileFile[] = [
  { name: "an empty file", body: "", want: { code: "FILE_EMPTY", message: /no header and no rows/ } },
  { name: "only blank lines", body: "\n\r\n\r\n\n", want: { code: "FILE_EMPTY", message: /no header and no rows/ } },
  { name: "only a byte-order mark", body: "\ufeff", want: { code: "FILE_EMPTY", message: /no header/ } },
  {
    name: "only a header",
    before: ["id,name\n1,a\n"],
    file: "g.csv",
    body: "id,name",
    want: { rows: [], columns: ["id INTEGER", "name VARCHAR"] },
  },
  {
    name: "10,000 columns",
    body: `${columnsOf(10_000)}\n${"1,".repeat(9_999)}1\n`,
    want: { code: "FILE_TOO_MANY_COLUMNS", message: /10000 columns; the limit is 2000/ },
  },
  {
    name: "2,000 columns",
    body: `${columnsOf(2_000)}\n${"1,".repeat(1_999)}1\n`,
    good: "c0\n1\n",
    want: { rows: 1 },
  },
  {
    name: "a header of 1 MB",
    body: `${"a".repeat(1_000_000)},b\n1,2\n`,
    want: { code: "FILE_HEADER_TOO_LONG", message: /longer than 262144 bytes/ },
  },
  {
    name: "a field of 20 MB",
    body: `id,text\n1,a\n2,${"x".repeat(20_000_000)}\n3,c\n`,
    want: { code: "FILE_ROW_TOO_LONG", message: /starts on line 3 is longer than 16777216 bytes/ },
  },
  {
    name: "a field of 10 MB: too large for a message of the event log, but not for a row",
    body: `id,text\n1,a\n2,${"x".repeat(10_000_000)}\n3,c\n`,
    want: {
      rows: [
        [1, "a"],
        [3, "c"],
      ],
      rejects: [[3, null, "row_too_large"]],
    },
  },
  {
    name: "a quote that is never closed, in a small file",
    body: 'id,name\n1,a\n2,"b\n3,c\n4,d\n',
    want: {
      rows: [
        [1, "a"],
        [3, "c"],
        [4, "d"],
      ],
      rejects: [[3, null, "quote_not_closed"]],
    },
  },
  {
    name: "a quote that is never closed, and no lines after it that look like rows, up to the limit of a row",
    body: `id,name\n1,a\n2,"b\n3,c\n${`${"some more text, ".repeat(60_000)}\n`.repeat(20)}4,d\n`,
    want: {
      rows: [
        [1, "a"],
        [3, "c"],
        [4, "d"],
      ],
      rejects: [
        [3, null, "quote_not_closed"],
        ...Array.from({ length: 20 }, (_, n): [number, null, string] => [n + 5, null, "too_many_fields"]),
      ],
    },
  },
  {
    name: "quotes in the middle of fields",
    body: 'id,size\n1,5" nail\n2,3 1/2" x 4"\n3,"6"" nail"\n',
    want: {
      rows: [
        [1, '5" nail'],
        [2, '3 1/2" x 4"'],
        [3, '6" nail'],
      ],
    },
  },
  {
    name: "mixed line endings",
    body: "id,name\r\n1,a\n2,b\r3,c\r\n\n4,d",
    want: {
      rows: [
        [1, "a"],
        [2, "b"],
        [3, "c"],
        [4, "d"],
      ],
    },
  },
  {
    name: "CR line endings, as of classic Mac OS",
    body: "id,name\r1,a\r2,b\r",
    want: {
      rows: [
        [1, "a"],
        [2, "b"],
      ],
    },
  },
  {
    name: "ragged rows",
    body: "id,name\n1\n2,b\n3,c,d\n\n4,e\n",
    want: {
      rows: [
        [2, "b"],
        [4, "e"],
      ],
      rejects: [
        [2, null, "too_few_fields"],
        [4, null, "too_many_fields"],
      ],
    },
  },
  {
    name: "a title and a date above the header",
    body: "Sales report\nPrinted 2024-01-31\n\nid,name\n1,a\n2,b\n",
    want: {
      rows: [
        [1, "a"],
        [2, "b"],
      ],
      columns: ["id INTEGER", "name VARCHAR"],
    },
  },
  {
    name: "ambiguous delimiters",
    body: "name;price;note\nscrew;1,20;a,b|c\nnail;3,40;d,e|f\n",
    want: {
      rows: [
        ["screw", "1,20", "a,b|c"],
        ["nail", "3,40", "d,e|f"],
      ],
      columns: ["name VARCHAR", "price VARCHAR", "note VARCHAR"],
    },
  },
  {
    name: "Excel's line that declares the separator",
    body: "sep=;\nid;name\n1;a\n",
    want: { rows: [[1, "a"]], columns: ["id INTEGER", "name VARCHAR"] },
  },
];

const HEADERS: HostileFile[] = [
  {
    name: "duplicate headers, and headers that differ only by case",
    body: "id,id,ID,Id\n1,2,3,4\n",
    want: { rows: [[1, 2, 3, 4]], columns: ["id INTEGER", "id_2 INTEGER", "id_4 INTEGER", "id_3 INTEGER"] },
  },
  {
    name: "headers that normalise to the same name",
    body: "na!e,na%e,na e,na_e_2\n1,2,3,4\n",
    want: {
      rows: [[1, 2, 3, 4]],
      columns: ["na_e INTEGER", "na_e_6d222a INTEGER", "na_e_c7462e INTEGER", "na_e_2 INTEGER"],
    },
  },
  {
    name: "empty headers, blank headers and headers of punctuation",
    body: ",  ,%,id\n1,2,3,4\n",
    want: { rows: [[1, 2, 3, 4]], columns: ["col INTEGER", "col_2 INTEGER", "col_bbf3f1 INTEGER", "id INTEGER"] },
  },
  {
    name: "reserved words and SQL in headers",
    body: `select,from,"x""; DROP TABLE t; --",table\n1,2,3,4\n`,
    want: {
      rows: [[1, 2, 3, 4]],
      columns: ["select INTEGER", "from INTEGER", "x_drop_table_t INTEGER", "table INTEGER"],
    },
  },
  {
    name: "headers that are names of audit columns",
    body: "_source_file,_source_offset,_source_row,_ingested_at,_rescued\nevil.csv,9,9,2020-01-01,x\n",
    want: {
      rows: [["evil.csv", 9, 9, "2020-01-01", "x"]],
      columns: [
        "source_file VARCHAR",
        "source_offset INTEGER",
        "source_row INTEGER",
        "ingested_at DATE",
        "rescued VARCHAR",
      ],
    },
  },
  {
    name: "headers in other scripts and emoji",
    body: "Größe,名前,🙂,Ελλάδα\n1,a,b,c\n",
    want: {
      rows: [[1, "a", "b", "c"]],
      columns: ["grosse INTEGER", "mingqian VARCHAR", "slight_smile VARCHAR", "ellada VARCHAR"],
    },
  },
  {
    name: "a header with a formula",
    body: `=HYPERLINK("http://evil"),id\n1,2\n`,
    want: { rows: [[1, 2]], columns: ["hyperlink_http_evil INTEGER", "id INTEGER"] },
  },
];

const VALUES: HostileFile[] = [
  {
    name: "numbers out of every range",
    body: "n,e,d,k\n12345678901234567890,1e400,1.1e308,1\n1,2,NaN,2\n-12345678901234567890,3,-Infinity,3\n",
    want: {
      rows: [
        ["12345678901234567890", "1e400", 1.1e308, 1],
        ["1", "2", "NaN", 2],
        ["-12345678901234567890", "3", "-Infinity", 3],
      ],
      columns: ["n DECIMAL(38,0)", "e VARCHAR", "d DOUBLE", "k INTEGER"],
    },
  },
  {
    name: "decimals of 40 digits",
    body: `d,id\n${"1".repeat(20)}.${"2".repeat(20)},1\n1.5,2\n`,
    want: {
      rows: [
        [`${"1".repeat(20)}.${"2".repeat(20)}`, 1],
        ["1.5", 2],
      ],
      columns: ["d VARCHAR", "id INTEGER"],
    },
  },
  {
    name: "invalid dates are inferred as text",
    body: "d\n0000-00-00\n2023-02-30\n9999-12-31\n10000-01-01\n",
    want: { rows: [["0000-00-00"], ["2023-02-30"], ["9999-12-31"], ["10000-01-01"]], columns: ["d VARCHAR"] },
  },
  {
    name: "invalid dates in a DATE column",
    contract: "columns: [{ name: d, type: DATE }]",
    body: "d\n0000-00-00\n2023-02-30\n9999-12-31\n0001-01-01\n10000-01-01\n",
    good: "d\n2024-01-31\n",
    want: {
      rows: [["9999-12-31"], ["0001-01-01"]],
      rejects: [
        [2, "d", "type_mismatch"],
        [3, "d", "type_mismatch"],
        [6, "d", "type_mismatch"],
      ],
    },
  },
  {
    name: "times that a daylight-saving change skips or repeats, and offsets",
    contract: "columns: [{ name: at, type: TIMESTAMP WITH TIME ZONE }, { name: local, type: TIMESTAMP }]",
    body: [
      "at,local",
      "2024-03-31T02:30:00+01:00,2024-03-31 02:30:00",
      "2024-10-27T02:30:00+02:00,2024-10-27 02:30:00",
      "2024-10-27T02:30:00+01:00,2024-10-27 02:30:00",
      "2024-01-31T23:59:60Z,2024-01-31 00:00:00",
      "2024-01-31T10:00:00+25:00,2024-01-31 00:00:00",
    ].join("\n"),
    good: "at,local\n2024-01-01T00:00:00Z,\n",
    want: {
      rows: [
        ["2024-03-31T01:30:00Z", "2024-03-31T02:30:00"],
        ["2024-10-27T00:30:00Z", "2024-10-27T02:30:00"],
        ["2024-10-27T01:30:00Z", "2024-10-27T02:30:00"],
      ],
      rejects: [
        [5, "at", "type_mismatch"],
        [6, "at", "type_mismatch"],
      ],
    },
  },
  {
    name: "formulas stay text",
    body: `id,note\n1,=1+1\n2,"=cmd|' /C calc'!A0"\n3,@SUM(A1)\n4,+1\n`,
    want: {
      rows: [
        [1, "=1+1"],
        [2, "=cmd|' /C calc'!A0"],
        [3, "@SUM(A1)"],
        [4, "+1"],
      ],
    },
  },
  {
    name: "leading zeros and telephone numbers",
    body: "zip,phone,n\n00123,+49 170 1234567,1\n99999,0170,2\n",
    want: {
      rows: [
        ["00123", "+49 170 1234567", 1],
        ["99999", "0170", 2],
      ],
    },
  },
  {
    name: "a column that changes from numbers to text between two versions",
    before: ["id,code\n1,100\n2,200\n"],
    body: "id,code\n1,100\n2,A-200\n3,300\n",
    want: {
      rows: [
        [1, 100],
        [3, 300],
      ],
      rejects: [[3, "code", "type_mismatch"]],
    },
  },
  {
    name: "a column that changes to text late in a large file",
    body: `id,code\n${Array.from({ length: 150_000 }, (_, i) => `${i},${i}\n`).join("")}150000,none\n`,
    want: { rows: 150_001, columns: ["id INTEGER", "code VARCHAR"] },
  },
  {
    name: "every row is invalid",
    // Without it, the version is held: it would not replace the row of the version before.
    contract: "accept: { empty: load, newColumns: load }",
    before: ["id,n\n1,1\n"],
    body: `id,n\n${Array.from({ length: 20_000 }, (_, i) => `${i},x${i}\n`).join("")}`,
    want: { rows: 0, rejects: Array.from({ length: 20_000 }, (_, i) => [i + 2, "n", "type_mismatch"] as const) },
  },
  {
    name: "more rejects than the contract allows, by count",
    contract: "columns: [{ name: id, type: INTEGER }]\nrejects: { countMax: 2 }",
    body: "id\n1\nx\ny\nz\n2\n",
    good: "id\n1\n",
    want: {
      code: "REJECTS_ABOVE_THRESHOLD",
      message: /more than 2 rows rejected; the last on line 5: 'z' is not a valid INTEGER/,
    },
  },
  {
    name: "more rejects than the contract allows, by share",
    contract: "columns: [{ name: id, type: INTEGER }]\nrejects: { shareMax: 0.5 }",
    body: "id\n1\nx\ny\nz\n",
    good: "id\n1\n",
    want: { code: "REJECTS_ABOVE_THRESHOLD", message: /3 of 4 rows rejected; the contract allows a share of 0.5/ },
  },
  {
    name: "a type mismatch with onMismatch: fail",
    contract: "columns: [{ name: id, type: INTEGER }]\nonMismatch: fail",
    body: "id\n1\n2\nx\n",
    good: "id\n1\n",
    want: { code: "FILE_VALUE_MISMATCH", message: /line 4: 'x' is not a valid INTEGER \(column 'id'\)/ },
  },
  {
    name: "a missing required column",
    contract: "columns: [{ name: id, type: INTEGER, required: true }]",
    body: "idd,name\n1,a\n",
    good: "id\n1\n",
    want: { code: "HEADER_COLUMN_MISSING", message: /lacks 'id'; it has 'idd', 'name'/ },
  },
];

const NAMES: HostileFile[] = [
  { name: "an emoji in the file name", file: "%F0%9F%92%A3.csv", body: "id\n1\n", want: { rows: [[1]] } },
  {
    name: "a right-to-left file name",
    file: "%E2%80%AEvsc.gpj",
    body: "id\n1\n",
    want: { http: 400, code: "FILE_NAME_INVALID", message: /changes the reading direction/ },
  },
  { name: "an escaped slash in the name", file: "a%2Fb.csv", body: "id\n1\n", want: { rows: [[1]] } },
  {
    name: "path traversal in the name",
    file: "..%2F..%2Fetc%2Fpasswd",
    body: "id\n1\n",
    want: { http: 400, code: "FILE_NAME_INVALID", message: /'\.\.'/ },
  },
  {
    name: "path traversal in the name with backslashes",
    file: "..%5C..%5Cboot.ini",
    body: "id\n1\n",
    want: { http: 400, code: "FILE_NAME_INVALID", message: /'\.\.'/ },
  },
  {
    name: "a line break in the name",
    file: "a%0Ab.csv",
    body: "id\n1\n",
    want: { http: 400, code: "FILE_NAME_INVALID", message: /control character/ },
  },
  {
    name: "a NUL byte in the name",
    file: "a%00.csv",
    body: "id\n1\n",
    want: { http: 400, code: "FILE_NAME_INVALID", message: /control character/ },
  },
  {
    name: "a name of 513 bytes",
    file: "n".repeat(513),
    body: "id\n1\n",
    want: { http: 400, code: "FILE_NAME_INVALID", message: /longer than 512 bytes/ },
  },
  {
    name: "a name that is not valid UTF-8",
    file: "%FF%FE.csv",
    body: "id\n1\n",
    want: { http: 400, code: "BAD_REQUEST", message: /./ },
  },
  {
    name: "a name with quotes, semicolons and SQL",
    file: "a'%22;DROP%20TABLE%20x;--.csv",
    body: "id\n1\n",
    want: { rows: [[1]] },
  },
];

export const HOSTILE_FILES: readonly HostileFile[] = [
  ...COMPRESSED,
  ...OTHER_FORMATS,
  ...ENCODINGS,
  ...SHAPES,
  ...HEADERS,
  ...VALUES,
  ...NAMES,
];
