import assert from "node:assert/strict";
import { test } from "node:test";
import { detectStructure } from "../../../../../../lib/formats/csv/structure/structure.ts";

const heldFor = (text: string): string[] => {
  const { dialect, doubts } = detectStructure({ text, complete: true, encoding: "utf-8", requested: {} });
  assert.equal(dialect.header, true, JSON.stringify(text));
  return doubts.map(({ reason }) => reason);
};

test("text without a header is a doubt", () => {
  for (const text of [
    "Oslo,Norway,fjord\nLima,Peru,sea\nBern,Aare,river\n",
    "kkk,lll\nmmm,nnn\nooo,ppp\n",
    "Ada;Moe\nBo;Lund\nEva;Park\n",
    "Ada Moe,New York\nBo Lund,Los Angeles\nEva Park,San Diego\n",
    '"Ada","Moe"\n"Bo","Lund"\n"Eva","Park"\n',
    "OSL\tBGO\nCPH\tARN\nHEL\tRIX\n",
    "oak\nelm\nash\nfir\n",
    "Мария,Москва\nИван,Казань\nОльга,Самара\n",
    "Host;localhost\nPort;8080\nUser;admin\nTimeout;30\n",
    "Name,Anna Schmidt\nGeburtsdatum,2000-01-01\nOrt,Berlin\nGröße,170\n",
    "firmware,v2.1\nserial,SN-123\nuptime,3600\n",
  ]) {
    assert.deepEqual(heldFor(text), ["structure_unsure"], JSON.stringify(text));
  }
});

test("names above text are no doubt", () => {
  for (const text of [
    "name,city\nAda,Oslo\nBo,Rome\n",
    "name,city\nada,oslo\nbo,rome\n",
    "Vorname;Nachname;Wohnort\nAda;Moe;Ulm\nBo;Lund;Bonn\n",
    "first_name;last_name\nada;moe\nbo;lund\n",
    "playerName|clubName\nmoe|brann\nlund|viking\n",
    "Fylke,Kommune\nVIKEN,MOSS\nINNLANDET,HAMAR\n",
    "fylke,kommune\nViken,Moss\nInnlandet,Hamar\n",
    "Fylke,Kommune\nViken,Moss\nViken,Halden\nViken,Asker\nInnlandet,Hamar\n",
    "Leder,Kommune\nAda Moe,Moss\nBo Lund,Halden\nEva Park,Asker\n",
    'Fylke,Kommune\n"Viken","Moss"\n"Innlandet","Hamar"\n',
    "a,b,c\nx,y,z\nu,v,w\n",
    "Key,Value\nhost,localhost\nport,8080\n",
    "Merkmal;Wert\nFarbe;blau\nGewicht;5 kg\nMaterial;Holz\n",
    "name,score\nAda,absent\nBo,3\nEva,4\n",
    "Código,Descripción\nROJO,Bota\nAZUL,Gorra\n",
    "Имя,Город\nМария,Москва\nИван,Казань\n",
    "氏名,都市\n太郎,東京\n花子,大阪\n",
    "fruit\napple\nplum\npear\n",
  ]) {
    assert.deepEqual(heldFor(text), [], JSON.stringify(text));
  }
});
