import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import iconv from "iconv-lite";
import { hasCode } from "../../../../lib/errors.ts";
import { detectEncoding } from "../../../../lib/text/decoding/detect.ts";
import { TextDecoding } from "../../../../lib/text/decoding/text-decoding.ts";
import { ENCODINGS, encodingNamed, unknownEncoding, type Encoding } from "../../../../lib/text/encoding.ts";
import { parse } from "../../parsing/parsing.ts";

const WORDS: Record<string, string> = {
  ja: "処理区分 済み 検査 点検連番 ソース能力 東京都 大阪市 北海道 株式会社 山田太郎 佐藤花子 電話番号 ひらがな カタカナ",
  zh: "北京市 上海 广东省 深圳 有限公司 李小明 王芳 电话号码 地址 订单 数量 价格 客户名称 备注 已发货 未付款",
  tw: "台北市 高雄 新竹縣 股份有限公司 陳大文 林小姐 電話號碼 地址 訂單 數量 價格 客戶名稱 備註 已出貨 未付款",
  ko: "서울특별시 부산광역시 대구 김철수 이영희 박민수 주식회사 전화번호 주소 주문 수량 가격 고객명 비고 배송완료",
  ru: "Москва Санкт-Петербург Екатеринбург Иванов Петрова Сидоров улица проспект телефон адрес заказ количество",
  uk: "Київ Львів Харків Шевченко Ковальчук вулиця провулок телефон адреса замовлення кількість їжак ґанок єдність",
  el: "Αθήνα Θεσσαλονίκη Πάτρα Παπαδόπουλος Γεωργίου οδός τηλέφωνο διεύθυνση παραγγελία ποσότητα Άρτα Έλληνας",
  tr: "İstanbul Ankara İzmir Şişli Yılmaz Öztürk Çağlar Güneş sokağı caddesi telefon sipariş müşteri adı ağaç ıslak",
  he: "ירושלים תל אביב חיפה כהן לוי רחוב שדרות טלפון כתובת הזמנה כמות מחיר לקוח הערות שולם",
  ar: "القاهرة الرياض دمشق محمد أحمد فاطمة شارع هاتف عنوان طلب كمية سعر العميل ملاحظات مدفوع",
  th: "กรุงเทพมหานคร เชียงใหม่ ภูเก็ต สมชาย สมหญิง ถนน โทรศัพท์ ที่อยู่ คำสั่งซื้อ จำนวน ราคา ลูกค้า",
  lt: "Vilnius Kaunas Klaipėda Šiauliai Žukauskas Jonaitytė gatvė telefonas užsakymas kiekis pirkėjas ąžuolas įmonė",
  pl: "Łódź Kraków Gdańsk Wrocław Poznań Świętokrzyskie Żółkiewski Wójcik ulica zamówienie ilość księgowość źródło",
  cs: "Praha Plzeň České Budějovice Jihlava Dvořák Novotný Svobodová ulice objednávka množství zákazník žlutý šťastný",
  hu: "Győr Székesfehérvár Hódmezővásárhely Szűcs Kőszegi utca megrendelés mennyiség vevő űrlap időpont",
  de: "München Köln Düsseldorf Würzburg Müller Schröder Straße Größe Stück übrig geprüft Äpfel Öl Übung",
  fr: "Orléans Besançon Châteauroux François Hélène Zoë rue numéro quantité déjà réglé à côté où Noël cœur",
  es: "Málaga Córdoba León Muñoz Ibáñez calle número teléfono dirección pedido año español canción ¿qué?",
  sv: "Malmö Göteborg Västerås Åkesson Sjöberg Öström gata beställning mängd kund räksmörgås blåbär",
};

const WRITTEN: [words: keyof typeof WORDS, encoding: Encoding][] = [
  ...(["shift_jis", "euc-jp"] as const).map((encoding): [string, Encoding] => ["ja", encoding]),
  ["zh", "gb18030"],
  ["tw", "big5"],
  ["ko", "euc-kr"],
  ...(["windows-1251", "koi8-r", "ibm866", "iso-8859-5"] as const).map((encoding): [string, Encoding] => [
    "ru",
    encoding,
  ]),
  ...(["windows-1251", "koi8-u"] as const).map((encoding): [string, Encoding] => ["uk", encoding]),
  ...(["windows-1253", "iso-8859-7"] as const).map((encoding): [string, Encoding] => ["el", encoding]),
  ["tr", "windows-1254"],
  ["he", "windows-1255"],
  ["ar", "windows-1256"],
  ["th", "windows-874"],
  ["lt", "windows-1257"],
  ...(["pl", "cs", "hu"] as const).flatMap((words): [string, Encoding][] => [
    [words, "windows-1250"],
    [words, "iso-8859-2"],
  ]),
  ...(["de", "fr", "es", "sv"] as const).flatMap((words): [string, Encoding][] => [
    [words, "windows-1252"],
    [words, "macintosh"],
  ]),
];

const LIBRARY_NAMES: Partial<Record<Encoding, string>> = { ibm866: "cp866", "x-mac-cyrillic": "maccyrillic" };

const encoded = (text: string, encoding: Encoding): Buffer => iconv.encode(text, LIBRARY_NAMES[encoding] ?? encoding);
const decoded = (bytes: Buffer, encoding: Encoding): string => iconv.decode(bytes, LIBRARY_NAMES[encoding] ?? encoding);

/** The bytes as the text that a reader would get, and whether detection has a doubt. */
function read(bytes: Buffer, chunkBytes = 1000): { text: string; doubt: string | undefined; encoding: Encoding } {
  const decoding = new TextDecoding(bytes.subarray(0, 4096), {
    ...{ encoding: undefined, pinned: undefined, limits: { detectionBytes: 4096 } },
  });
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) parts.push(decoding.push(bytes.subarray(at, at + chunkBytes)));
  const text = Buffer.concat([...parts, decoding.end()]).toString();
  return { text, doubt: decoding.found.doubt, encoding: decoding.found.encoding };
}

/** A table whose second column has words of a language, four a row. */
function tableOf(words: readonly string[]): string {
  const rows = words.flatMap((_, at) =>
    at % 4 === 0 ? [`${at},${words.slice(at, at + 4).join(" ")},2024-01-31`] : [],
  );
  return `id,name,day\n${rows.join("\n")}\n`;
}

test("text in every legacy encoding reads as it was written, without a doubt", () => {
  for (const [name, encoding] of WRITTEN) {
    const text = tableOf(WORDS[name]!.split(" "));
    const bytes = encoded(text, encoding);
    const found = read(bytes);
    assert.equal(found.text, decoded(bytes, encoding), `${name} in ${encoding}`);
    assert.equal(found.doubt, undefined, `${name} in ${encoding}`);
  }
});

test("German of a Macintosh that reads like another language leaves a doubt", () => {
  const bytes = encoded(tableOf(["München", "Äpfel", "Schröder", "Köln", "Müller", "übrig"]), "macintosh");
  assert.notEqual(read(bytes).doubt, undefined);
  const names = encoded(tableOf(["L'HAŸ-LES-ROSES", "CROŸ", "Château", "Élysée", "façade", "Noël"]), "windows-1252");
  assert.deepEqual([read(names).encoding, read(names).doubt], ["windows-1252", undefined]);
});

test("a few Chinese words may be Japanese", () => {
  const bytes = encoded(tableOf("价格 上海 未付款 客户名称 深圳 广东省 王芳 电话号码".split(" ")), "gb18030");
  assert.ok(read(bytes).encoding === "gb18030" || read(bytes).doubt !== undefined);
});

test("Turkish is not Icelandic", () => {
  const turkish = encoded(tableOf(["ağaç", "Çağlar", "telefon", "müşteri", "İstanbul", "sokağı"]), "windows-1254");
  assert.ok(read(turkish).encoding === "windows-1254" || read(turkish).doubt !== undefined);
  const names = encoded(tableOf(["Guðrún", "François", "Þórður", "Björk", "Garçon", "Ýmir"]), "windows-1252");
  assert.deepEqual([read(names).encoding, read(names).doubt], ["windows-1252", undefined]);
});

test("any words in any of these encodings read as written, or leave a doubt", () => {
  const sample = fc.constantFrom(...WRITTEN).chain(([name, encoding]) => {
    // Of samples with six words, one in some thousands is read wrong without a doubt.
    const words = fc.shuffledSubarray(WORDS[name]!.split(" "), { minLength: 8 });
    return fc.record({ words, encoding: fc.constant(encoding), chunkBytes: fc.integer({ min: 1, max: 200 }) });
  });
  fc.assert(
    fc.property(sample, ({ words, encoding, chunkBytes }) => {
      const bytes = encoded(tableOf(words), encoding);
      const { text, doubt, encoding: found } = read(bytes, chunkBytes);
      const written = decoded(bytes, encoding);
      assert.ok(text === written || doubt !== undefined, `${encoding} read as ${found}: ${text}`);
    }),
    { numRuns: 60 },
  );
});

test("text in capitals, or by a rarer machine, reads as it was written, or leaves a doubt", () => {
  const rare: typeof WRITTEN = [
    ["ru", "x-mac-cyrillic"],
    ["uk", "x-mac-cyrillic"],
  ];
  for (const [name, encoding] of [...WRITTEN, ...rare]) {
    const words = WORDS[name]!.split(" ");
    const capitals = words.map((word) => word.toLocaleUpperCase(name));
    for (const some of [words, capitals, capitals.slice(0, 5), capitals.slice(5)]) {
      const bytes = encoded(tableOf(some), encoding);
      const found = read(bytes);
      const isRight = found.text === decoded(bytes, encoding);
      assert.ok(isRight || found.doubt !== undefined, `${name} in ${encoding} as ${found.encoding}: ${found.text}`);
    }
  }
});

test("few letters that western text may have as well leave a doubt", () => {
  const found = read(iconv.encode("name,place\nMuñoz,Córdoba\nIbáñez,León\nRuiz,Málaga\n", "windows-1252"));
  assert.ok(found.encoding === "windows-1252" || found.doubt !== undefined, found.text);
});

test("few signs of western text are Windows-1252; few letters leave a doubt", () => {
  for (const text of [
    "price\n5 €\n",
    "day,Temp (°C)\n1,20\n",
    "w\n© 2020\n",
    "w\n12 m²\n",
    "w\ndon’t\n",
    "p\n£5\n",
    "w\n½\n",
  ]) {
    const { text: seen, doubt } = read(encoded(text, "windows-1252"));
    assert.deepEqual([seen, doubt], [text, undefined]);
  }
  assert.notEqual(read(Buffer.from("a,b\n\xe0,1\n", "latin1")).doubt, undefined);
  assert.notEqual(read(encoded("id,name\n1,大阪\n", "euc-jp")).doubt, undefined);
});

test("few words with signs inside, or of several scripts, leave a doubt", () => {
  for (const [text, encoding] of [
    ["番号,名\n1,ﾔﾏﾀﾞ ﾀﾛｳ\n2,ｻﾄｳ ﾊﾅｺ\n3,ｽｽﾞｷ ｲﾁﾛｳ\n", "shift_jis"],
    ["品名,数\nｶﾒﾗ,1\nﾃﾚﾋﾞ,2\nﾗｼﾞｵ,3\n", "shift_jis"],
    ["id,nume\n1,Ştefan\n2,Ţepeş\n", "iso-8859-2"],
    ["id,oras\n1,Bucureşti\n", "windows-1250"],
    ["id,name\n1,Łukasz\n2,róża\n", "windows-1250"],
  ] as const) {
    const { text: seen, doubt } = read(encoded(text, encoding));
    assert.ok(seen === text || doubt !== undefined, `${encoding}: ${seen}`);
  }
});

test("signs of units, prices and quotes beside letters leave no doubt", () => {
  const table = tableOf(WORDS["de"]!.split(" "));
  for (const sign of ["U-Wert W/m²K", "Temp ºC", "Umsatz £m", "Zürich„Süd“", "Größe¹", "»Öl«", "Änderung§5", "M³"]) {
    const text = `${table}99,${sign},2024-01-31\n`;
    assert.deepEqual(read(encoded(text, "windows-1252")), { text, doubt: undefined, encoding: "windows-1252" }, sign);
  }
});

test("bytes that Windows-1252 does not define are not Windows-1252", () => {
  assert.equal(read(encoded("処理区分,件数\n済み,2\n検査,5\n", "shift_jis")).text, "処理区分,件数\n済み,2\n検査,5\n");
  const invalid = detectEncoding(Buffer.from([0x61, 0x81, 0xff, 0x8d, 0xfe, 0x0a, 0xfd, 0x90, 0x9d, 0xff, 0x0a]));
  assert.notEqual(invalid.doubt, undefined);
});

test("katakana of half width in Shift-JIS, as banks write it", () => {
  const text = "id,name\n1,ｶﾌﾞｼｷｶﾞｲｼﾔ\n2,ｻﾄｳ ｲﾁﾛｳ\n3,ﾐｽﾞﾎ ｷﾞﾝｺｳ\n";
  assert.deepEqual(read(encoded(text, "shift_jis")), { text, doubt: undefined, encoding: "shift_jis" });
});

test("UTF-16 without a byte-order mark, in any script; UTF-32 is refused", () => {
  for (const name of ["ja", "zh", "ko", "ru", "el", "de", "he", "th"]) {
    const text = tableOf(WORDS[name]!.split(" "));
    assert.equal(read(Buffer.from(text, "utf16le")).text, text, name);
    assert.equal(read(Buffer.from(text, "utf16le").swap16()).text, text, name);
  }
  const wide = (mark: number[], text: string): Buffer =>
    Buffer.concat([Buffer.from(mark), ...Array.from(text, (one) => Buffer.from([one.codePointAt(0)!, 0, 0, 0]))]);
  for (const bytes of [wide([0xff, 0xfe, 0, 0], "id,n\n"), wide([], "id,name\n1,a\n")]) {
    assert.throws(
      () => detectEncoding(bytes),
      (error) => hasCode(error, "FILE_ENCODING_UNKNOWN") && error.message.includes("UTF-32"),
    );
  }
  assert.equal(read(Buffer.from("a,b\n1,\0\0\0\0\n", "latin1")).encoding, "utf-8", "NUL bytes in ASCII");
});

test("ISO-2022-JP is told by its escape sequences", () => {
  const bytes = Buffer.from("id,name\n1,\x1b$B;3ED\x1b(B\n2,\x1b$B:4F#\x1b(B\n", "latin1");
  assert.deepEqual(read(bytes, 3), { text: "id,name\n1,山田\n2,佐藤\n", doubt: undefined, encoding: "iso-2022-jp" });
});

test("the first byte beyond ASCII decides, however far into the file it is", () => {
  const ascii = "id,name,day\n" + "1,plain,2024-01-31\n".repeat(2000);
  for (const [name, encoding] of [
    ["ja", "shift_jis"],
    ["de", "windows-1252"],
    ["ru", "windows-1251"],
  ] as const) {
    const text = ascii + tableOf(WORDS[name]!.split(" "));
    for (const chunkBytes of [7, 4096, 1 << 20]) {
      assert.deepEqual(read(encoded(text, encoding), chunkBytes), { text, doubt: undefined, encoding });
      assert.deepEqual(read(Buffer.from(text), chunkBytes), { text, doubt: undefined, encoding: "utf-8" });
    }
  }
});

test("a file's encoding is told in its summary, also if it is known late", async () => {
  const text = `id,name\n${"1,plain\n".repeat(300)}2,größe\n3,Straße in München\n`;
  const limits = { detectionBytes: 512, inferenceBytes: 512 };
  const { rows, summary } = await parse(Buffer.from(text, "latin1"), { limits, pieceBytes: 100 });
  assert.deepEqual([rows.at(-2)!["name"], rows.at(-1)!["name"]], ["größe", "Straße in München"]);
  assert.equal(summary.dialect?.encoding, "windows-1252");
  assert.match(JSON.stringify(summary.dialect?.evidence), /windows-1252/);
});

test("lines of UTF-8 in a file of another encoding read as UTF-8, with a doubt", () => {
  const german = tableOf(WORDS["de"]!.split(" "));
  const bytes = Buffer.concat([Buffer.from(german, "latin1"), Buffer.from("9,München Größe,2024-01-31\n")]);
  const { text, doubt } = read(bytes, 5);
  assert.equal(text, `${german}9,München Größe,2024-01-31\n`);
  assert.match(doubt!, /1 of \d+ lines .* are UTF-8/);
});

test("lines of another encoding in a file of UTF-8 stay invalid, and many leave a doubt", async () => {
  const good = "1,Größe in München\n";
  const bad = Buffer.from("2,Gr\xf6\xdfe\n", "latin1");
  const one = Buffer.concat([Buffer.from(`id,name\n${good.repeat(10)}`), bad]);
  assert.equal(detectEncoding(one).doubt, undefined);
  const { rejects } = await parse(one);
  assert.deepEqual([rejects.length, rejects[0]!.reason, rejects[0]!.raw], [1, "encoding", "2,Gr\\xf6\\xdfe"]);
  const many = Buffer.concat([Buffer.from(`id,name\n${good.repeat(10)}`), bad, bad, bad, bad]);
  assert.match(detectEncoding(many).doubt!, /4 of 14 lines/);
  const { summary } = await parse(many);
  assert.deepEqual(
    summary.doubts?.map(({ reason }) => reason),
    ["encoding_unsure"],
  );
});

test("text that was encoded twice leaves a doubt; text that was not leaves none", () => {
  for (const name of ["de", "fr", "ja", "ru"]) {
    const twice = Buffer.from(iconv.decode(Buffer.from(tableOf(WORDS[name]!.split(" "))), "latin1"));
    assert.match(detectEncoding(twice).doubt!, /encoded twice/, name);
  }
  for (const words of Object.values(WORDS)) {
    assert.equal(detectEncoding(Buffer.from(tableOf(words.split(" ")))).doubt, undefined, words);
  }
  assert.equal(detectEncoding(Buffer.from("motto\n«LIBERTÉ» «ÉGALITÉ» «FRATERNITÉ»\n")).doubt, undefined);
});

test("a declared encoding decides; bytes that contradict it leave a doubt", () => {
  const german = Buffer.from(tableOf(WORDS["de"]!.split(" ")));
  const japanese = encoded(tableOf(WORDS["ja"]!.split(" ")), "shift_jis");
  assert.deepEqual(detectEncoding(japanese, { declared: "shift_jis" }), {
    ...{ encoding: "shift_jis", confidence: 1, evidence: "declared" },
  });
  assert.match(detectEncoding(german, { declared: "iso-8859-1" }).doubt!, /are valid UTF-8/);
  assert.match(detectEncoding(japanese, { declared: "koi8-r" }).doubt!, /mixes letters and signs/);
  assert.match(detectEncoding(Buffer.from("\xe9\n\xe8\n\xe0\n", "latin1"), { declared: "utf-8" }).doubt!, /3 of 3/);
  assert.equal(detectEncoding(Buffer.from("\ufeffa\n"), { declared: "windows-1252" }).encoding, "utf-8");
});

test("the table's encoding settles what text leaves open, only if all bytes are defined in it", () => {
  const letters = Buffer.from("a,b\n\xe0,1\n", "latin1");
  assert.deepEqual(
    [detectEncoding(letters, { pinned: "windows-1251" })].map(({ encoding, doubt }) => [encoding, doubt]),
    [["windows-1251", undefined]],
  );
  const japanese = encoded(tableOf(WORDS["ja"]!.split(" ")), "shift_jis");
  assert.equal(detectEncoding(japanese, { pinned: "windows-1252" }).encoding, "shift_jis");
});

test("labels of the standard, other names and unknown ones", () => {
  for (const encoding of ENCODINGS) assert.equal(encodingNamed(encoding.toUpperCase()), encoding);
  for (const [label, encoding] of [
    ["x-sjis", "shift_jis"],
    ["cp932", "shift_jis"],
    ["windows-31j", "shift_jis"],
    ["ks_c_5601-1987", "euc-kr"],
    [" latin1 ", "iso-8859-1"],
    ["iso-8859-9", "windows-1254"],
    ["UTF8", "utf-8"],
    ["utf-16", "utf-16le"],
    ["gb2312", "gbk"],
  ]) {
    assert.equal(encodingNamed(label!), encoding, label);
  }
  for (const label of ["utf-32", "utf-7", "ebcdic", "", "__proto__", "replacement"])
    assert.equal(encodingNamed(label), undefined);
  assert.match(unknownEncoding("windws-1252"), /did you mean 'windows-1252'/);
  assert.match(unknownEncoding("UTF-32LE"), /convert the file to UTF-8/);
});
