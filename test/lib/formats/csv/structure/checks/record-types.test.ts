import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const doubts = (text: string): string[] =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested: {} }).doubts.map(({ evidence }) => evidence);

const held = (texts: readonly string[]): void => {
  for (const text of texts) assert.match(doubts(text).join("\n"), /the first field tells what a row is/, text);
};
const loaded = (texts: readonly string[]): void => {
  for (const text of texts) assert.deepEqual(doubts(text), [], text);
};

test("rows whose first field tells what the others are, are a doubt", () => {
  const nmea = [
    "$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76",
    "$GPGSA,A,3,10,07,05,02,29,04,08,13,,,,,1.72,1.03,1.38*0A",
    "$GPGSV,3,1,11,10,63,137,17,07,61,098,15,05,59,290,20,08,54,157,30*70",
    "$GPGSV,3,2,11,02,39,223,19,13,28,070,17,26,23,252,,04,14,186,14*79",
    "$GPGSV,3,3,11,29,09,301,24,16,09,020,,36,,,*76",
    "$GPRMC,092750.000,A,5321.6802,N,00630.3372,W,0.02,31.66,280511,,,A*43",
  ];
  held([
    `${[...nmea, ...nmea, ...nmea].join("\r\n")}\r\n`,
    `${[nmea[0], nmea[5], nmea[0], nmea[5], nmea[0], nmea[5]].join("\n")}\n`,
    "LIN,bolt,5\nLIN,nut,2\nORD,2024-01-02,Rome,7\nLIN,gear,9\nLIN,cog,8\nLIN,pin,8\nORD,2024-01-03,Bern,1\nLIN,cog,8\nLIN,pin,1\n",
    "H|1001|2024-01-05|ACME|open\nD|1|bolt|5\nD|2|nut|7\nH|1002|2024-01-06|Smith|paid\nD|1|gear|1\nD|2|cog|3\n",
    "rec,a,b,c\nORD,2024-01-01,Oslo,5\nLIN,bolt,5\nLIN,nut,2\nORD,2024-01-02,Rome,7\nLIN,gear,9\nORD,2024-01-03,Bern,1\nLIN,cog,8\n",
  ]);
  loaded([
    "status,id,shipped\nopen,1\nsent,2,2024-01-05\nopen,3\nsent,4,2024-01-06\nopen,5\nsent,6,2024-01-07\nsent,7,2024-01-08\nsent,8,2024-01-08\n",
    "country,city,n,note\nNO,Oslo,1,x\nDE,Bonn,2,y\nNO,Moss,3,z\nDE,Ulm,4,w\nNO,Bodø,5,v\n",
    "$GPGGA,092750.000,5321.6802,N,1\n$GPGGA,092751.000,5321.6803,N,1\n$GPGGA,092752.000,5321.6804,N,1\n",
    "day,n,name\n2024-01-01,5,a\n2024-01-01,6,b\n2024-01-02,7,c\n2024-01-02,8,d\n2024-01-03,9,e\n",
    "key,value\nheight,180\nname,Bob\nheight,170\nname,Eva\nheight,165\nname,Ida\n",
  ]);
});
