import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../../../../parsing/parsing.ts";

const evidence = async (text: string): Promise<string> =>
  ((await parse(text)).summary.doubts ?? []).map(({ evidence }) => evidence).join();

test("a file that ends with the message of a failed export is held, however its last line splits", async () => {
  for (const text of [
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\nERROR: connection lost,,\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\n,ERROR: connection lost,\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\nVerbindung unterbrochen,,\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\nERROR: lost connection, retry, later\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\nERROR: lost connection, retry, later, bye\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\nExport fehlgeschlagen, bitte erneut anmelden\n",
    "name,city\nAnna,Berlin\nBob,Paris\nCarl,Rome\nERROR: lost connection, retry\n",
    "name,city\nAnna,Berlin\nBob,Paris\nCarl,Rome\nERROR: lost connection\n",
    "name;city\nAnna;Berlin\nBob;Paris\nCarl;Rome\nFehler: Verbindung; Zeile 5\n",
    "name\nAnna\nBob\nCarl\nERROR: ORA-01555 snapshot too old\n",
    "name\nAnna\nBob\nCarl\nExport fehlgeschlagen\n",
    "id\n1\n2\n3\nPermission denied\n",
    "id,name,x\n1,a,2\n2,b,3\n<br />\n<b>Fatal error</b>:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes) in /var/www/x.php on line <b>12</b><br />\n",
    "name,city\nAnna,Berlin\nBob,Paris\n<br />\n<b>Warning</b>:  mysql_fetch_array() expects parameter 1 to be resource, boolean given in /var/www/x.php on line <b>12</b><br />\n",
    "name,city\nAnna,Berlin\nBob,Paris\nTraceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    main()\nKeyError: 'x'\n",
    "name,city\nAnna,Berlin\nBob,Paris\njava.sql.SQLException: Closed Connection\n\tat oracle.jdbc.X.y(X.java:12)\n",
    "name,city\nAnna,Berlin\nBob,Paris\n<html>\n<head><title>504 Gateway Time-out</title></head>\n<body>\n</body></html>\n",
    'name,city\nAnna,Berlin\nBob,Paris\n{"error":"Internal Server Error","status":500}\n',
    "name\tcity\tx\nAnna\tBerlin\tu\nBob\tParis\tv\nERROR 2013 (HY000) at line 1: Lost connection\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\n\n\nConnection lost\n",
    "name,city,x\nAnna,Berlin,u\nBob,Paris,v\nCarl,Rome,w\n# ERROR: connection lost\n",
  ]) {
    assert.match(await evidence(text), /not written to its end|where all rows above|a note or a total/, text);
  }
});

test("errors in the rows of logs and lists are rows", async () => {
  for (const text of [
    "level,message\nINFO,started\nWARN,slow\nERROR,Query failed: timeout\n",
    "time,level,message\n2024-01-01 10:00:00,INFO,started\n2024-01-01 10:00:01,ERROR,Error: connection refused\n",
    "level,message\nERROR,a\nERROR,Connection lost\n",
    "message\nok\nfine\nError: disk full\n",
    "entry\nJob started\nLoading file\nError: disk full\n",
    "message,detail,code\nstarted,,\nloaded,x,\nError: connection lost,,\n",
    "message,level\nstarted,INFO\nError: connection refused,ERROR\n",
    "message,level\nError: a b,ERROR\nstarted,INFO\nError: connection refused,ERROR\n",
    "message, level, host\nstarted, INFO, a\nloaded, INFO, b\nError: connection refused, ERROR, c\n",
    "job,status,ended\nexport,failed,2024-01-01\nimport,ok,2024-01-02\ndump,aborted,2024-01-03\n",
    "job,status\nnightly export,ok\nweekly export,ok\nmonthly export failed,retry\n",
    "code,message\n100,ok\n404,Not found\n500,Internal server error\n",
    "title,year\nThe Fugitive,1993\nLost Highway,1997\nConnection lost,2001\n",
    "title\nThe Fugitive\nLost Highway\nThe Connection Was Lost\n",
    "title\nAlien\nJaws\nTotal Recall\n",
    "band,album,x\nBlur,Parklife,1\nThe Killers,Hot Fuss,2\nThe Errors,Export,3\n",
    "id,desc\n1,200 rows\n2,300 rows\n3,400 rows\n",
    "id,desc\n1,few rows\n2,many rows\n3,400 rows selected.\n",
    'text,n\nfire,1\ntheft,2\n"total loss, sorry",5\n',
    "name,v\nGesamtschule Nord,3\nTotal Fitness,4\nSum 41,5\n",
    "company,city\nBP,London\nTotal,Paris\n",
    "name,city\nfire,Ulm\ntheft,Bonn\ntotal loss,Bern\n",
    "id,claim\n1,fire\n2,theft\n3,total loss\n",
    "item,status,qty\nA,ok,2\nB,ok,3\nTotal Refund,open,7\n",
  ]) {
    const { summary } = await parse(text);
    assert.deepEqual(summary.doubts ?? [], [], text);
    assert.equal(summary.rowsAccepted, text.trimEnd().split("\n").length - 1, text);
  }
});

test("counts of rows, times and reports of success are left out without a doubt", async () => {
  for (const text of [
    "name,amount\nAnna,1.50\nBob,2.50\n\n1,200 rows selected.\n",
    "name;amount\nAnna;1.50\nBob;2.50\n1.200 Zeilen ausgewählt.\n",
    "name,amount\nAnna,1.50\nBob,2.50\n(1,200 rows)\n",
    "name,amount,x\nAnna,1.50,1\nBob,2.50,2\n\n1,234,567 rows exported\n",
    "name,amount\nAnna,1.50\nBob,2.50\n\nRecords: 2; Errors: 0; Warnings: 0\n",
    "name,amount\nAnna,1.50\nBob,2.50\n\nElapsed: 00:00:01.23\n",
    "name,amount\nAnna,1.50\nBob,2.50\n\n2 rows in set (0.00 sec)\n",
    "name,amount\nAnna,1.50\nBob,2.50\n\nExport abgeschlossen, 0 Fehler\n",
    "name,b\nx,3\ny,6\n\nErrors: 0\n",
    "name,b\nx,3\ny,6\n\nFehler: 0\n",
    "name,b\nx,3\ny,6\n\nErrors: none\n",
    "name,b\nx,3\ny,6\n\n* Error: standard error of the mean\n",
    "name,b\nx,3\ny,6\n\nFehler: +/- 2 %\n",
    "name,b\nx,3\ny,6\n\nError: 95% confidence interval\n",
    "name,b\nx,3\ny,6\n\nNote: figures are truncated to whole numbers\n",
    "name,b\nx,3\ny,6\n\nNumbers may be truncated.\n",
    "name,b\nx,3\ny,6\n\nData excludes timeout events\n",
    "name,b\nx,3\ny,6\n\nNote: no connection to prior series\n",
    "name,b\nx,3\ny,6\n\nSource: job report was stopped in 2023\n",
    "name,b\nx,3\ny,6\n\nUnits: RootMeanSquareError\n",
    "name,b\nx,3\ny,6\n\nErreurs : 0\n",
    "name,b\nx,3\ny,6\n\nErrores: ninguno\n",
    "name,b\nx,3\ny,6\n\n0 errors\n",
    "name,b\nx,3\ny,6\n\nCompleted without errors\n",
  ]) {
    const { summary } = await parse(text);
    assert.deepEqual(summary.doubts ?? [], [], text);
    assert.deepEqual([summary.rowsAccepted, summary.rowsRejected], [2, 0], text);
  }
});

test("a message at the end of a file that is longer than the sample is seen", async () => {
  const rows = Array.from({ length: 40_000 }, (_, at) => `name ${at},Berlin,u\n`).join("");
  assert.match(await evidence(`name,city,x\n${rows}ERROR: lost connection, retry, later\n`), /not written to its end/);
  assert.equal(await evidence(`name,city,x\n${rows}\n1,200 rows selected.\n`), "");
});

test("totals have labels, and names that begin alike are rows", async () => {
  for (const text of [
    "name,city,v\nAnna,Ulm,3\nBob,Bonn,4\nTotal,,9\n",
    "name,v\nAnna,3\nBob,4\nTotal: all,9\n",
    // No number, date or code is called so.
    "id;city\n1;Bonn\n2;Ulm\n3;Köln\nTotal;3\n",
    "day,who\n2026-01-01,Anna\n2026-01-02,Bob\n2026-01-03,Cy\nTotal for January,3\n",
    "order,who\nA-100,Anna\nA-101,Bob\nA-102,Cy\nTotal orders,3\n",
  ]) {
    assert.match(await evidence(text), /is a total by its first cell/, text);
  }
});
