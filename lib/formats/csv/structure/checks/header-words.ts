import { isMeasure } from "../first-rows/title-words.ts";
import { isTypedCell } from "../kinds.ts";
import type { SampleRow } from "../split.ts";

/**
 * Words that name columns, in the languages of most files. A header of text above text can hardly be told
 * from a row by anything else.
 */
const WORDS = new Set(
  `id ids key code number no nr num name names surname firstname lastname first last middle nick
  title label text note notes comment comments remark remarks description desc details message subject topic
  value values type types kind class category categories group tag tags status state phase level grade rank
  date day month year week time timestamp start end begin from to until since created updated
  city town village place location region area district county province country nation continent capital
  address street zip postcode postal phone mobile telephone fax email mail website url link domain host
  user username owner author editor creator manager customer client vendor supplier company firm
  organisation organization department team member members person people employee contact gender sex
  age birthday birthplace language lang currency color colour size shape material model brand make product
  item items article sku unit units quantity qty amount price cost total tax discount order source target
  path file folder filename format version question answer field column attribute property parameter setting
  species genus family order party job role position occupation industry sector school club sport artist
  album song genre publisher isbn journal reason result action event device sensor station line route
  parent child node root leaf branch x y z word words animal fruit english german french spanish hobby skill food drink
  vorname nachname familienname firma firmenname kunde kunden ort stadt land strasse plz bundesland anschrift
  adresse telefon handy datum tag monat jahr zeit uhrzeit beginn ende von bis betrag preis menge anzahl summe
  artikel ware produkt gruppe farbe grosse einheit bezeichnung beschreibung bemerkung kommentar notiz titel
  art typ klasse kategorie nummer konto inhaber zweck verwendungszweck abteilung verein rolle beruf sprache
  wahrung empfanger absender lieferant mitarbeiter hauptstadt haupt begriff wort ubersetzung
  nom noms prenom ville pays rue adresse codepostal telephone courriel date jour mois annee heure debut fin
  montant prix quantite article produit groupe couleur taille unite libelle commentaire remarque titre
  genre categorie numero compte statut langue societe client fournisseur capitale
  nombre apellido apellidos ciudad pais calle direccion telefono correo fecha dia mes ano hora importe precio
  cantidad articulo producto grupo talla unidad descripcion comentario titulo tipo clase categoria
  cuenta estado idioma empresa cliente proveedor
  nome cognome citta paese via indirizzo data giorno mese anno ora importo prezzo quantita articolo prodotto
  gruppo colore taglia unita descrizione commento titolo categoria conto stato lingua azienda fornitore
  cidade pais rua endereco telefone dia mes preco quantidade produto cor tamanho unidade descricao
  naam voornaam achternaam stad plaats straat postcode telefoon datum bedrag prijs aantal soort kleur
  wert werte merkmal eigenschaft attribut feld spalte schlussel inhalt angabe kennzahl hour hours stunde stunden
  navn fornavn etternavn efternavn namn by stad gate gata adresse belop pris antall antal farge farg
  имя фамилия город страна улица адрес телефон дата день месяц год время сумма цена количество название код
  номер товар группа цвет описание комментарий тип статус язык
  imie nazwisko miasto kraj ulica adres cena ilosc kolor opis typ jmeno prijmeni mesto ulice`.split(/\s+/),
);

/** Ends of compound words that name columns. */
const ENDINGS = /(?:name|nummer|datum|nr|ort|preis|betrag|adresse|gruppe|code|_id|date|type|typ|art|land|kennung)$/;

/** Rows below that are compared with the header. */
const ROWS_MAX = 200;
const COLUMNS_MAX = 100;

/**
 * True if nothing tells a row of text from the rows of text below it: no word that names columns, no
 * other case, quotes or number of words than the cells below, and no value that all cells below repeat.
 */
export function isLikeRows(first: SampleRow, below: readonly SampleRow[]): boolean {
  const rows = below.slice(0, ROWS_MAX);
  if (rows.length < 2 || !/\p{Lu}|\p{Ll}/u.test(first.cells.join("")) || isAlphabet(first.cells)) return false;
  const arePairs = first.cells.length === 2 && areKeys([first, ...rows]);
  return first.cells.slice(0, COLUMNS_MAX).every((cell, at) => {
    const values = rows.map(({ cells }) => cells[at] ?? "").filter((value) => value.trim() !== "");
    if (cell.trim() === "" || values.length === 0) return true;
    if (arePairs && at === 1) return !((isNaming(cell) || isMeasure(cell)) && !values.some(isNaming));
    const quotedBelow = rows.filter(({ quoted }) => quoted[at]).length / rows.length;
    const isQuotedOtherwise = first.quoted[at] ? quotedBelow < 0.1 : quotedBelow > 0.9;
    return !isQuotedOtherwise && !isNameAbove(cell.trim(), values);
  });
}

/** True for keys with values of several kinds: the first pair has nothing of a header but its place. */
function areKeys(rows: readonly SampleRow[]): boolean {
  const keys = rows.map(({ cells }) => (cells[0] ?? "").trim());
  const values = rows.slice(1).map(({ cells }) => cells[1] ?? "");
  const isWord = (key: string): boolean => /^\p{L}[^\d]*$/u.test(key);
  const typed = values.filter(isTypedCell).length;
  return new Set(keys).size === keys.length && keys.every(isWord) && typed > 0 && typed < values.length;
}

/** True if the cells are a, b, c … */
const isAlphabet = (cells: readonly string[]): boolean =>
  cells.length > 1 &&
  cells.every((cell, at) => cell.length === 1 && cell.charCodeAt(0) === cells[0]!.charCodeAt(0) + at);

function isNameAbove(cell: string, values: readonly string[]): boolean {
  if (values.includes(cell)) return false;
  const share = (is: (value: string) => boolean): number => values.filter(is).length / values.length;
  if (isNaming(cell) && share(isNaming) < 0.2) return true;
  if (isIdentifier(cell) && share(isIdentifier) < 0.1) return true;

  if (!isTypedCell(cell) && share(isTypedCell) >= 0.5) return true;
  const start = startOf(cell);
  if (share((value) => startOf(value) === start) < 0.2) return true;
  const isPhrase = (value: string): boolean => /\s/.test(value.trim());
  if (!isPhrase(cell) && share(isPhrase) > 0.85) return true;
  // A column whose values recur would probably have the first row's value again.
  return values.length >= 4 && new Set(values).size <= values.length / 2;
}

export function isNaming(cell: string): boolean {
  const words = wordsOf(cell);
  return words.length <= 6 && words.some((word) => WORDS.has(word) || ENDINGS.test(word));
}

/** True if the cell has nothing but words that name columns. */
export function isOnlyNaming(cell: string): boolean {
  const words = wordsOf(cell).filter((word) => word !== "");
  return words.length > 0 && words.length <= 4 && words.every((word) => WORDS.has(word));
}

const wordsOf = (cell: string): string[] =>
  cell
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .replace(/ß/g, "ss")
    .replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}]+/u);

/** True for a name of a column that identifies rows. */
export const isLikeIdentifier = (cell: string): boolean =>
  /(?:^|[^a-z])(?:id|ids|key|code|no|nr|num|number|sku|nummer|index)$/i.test(cell.trim()) ||
  /[a-z](?:Id|ID|No|Nr)$/.test(cell);

/** first_name, firstName */
export const isIdentifier = (cell: string): boolean => /^[\p{L}\d]+(?:_[\p{L}\d]+)+$|^\p{Ll}+\p{Lu}\p{Ll}/u.test(cell);

/** How a cell begins: with a capital, in capitals only, in small letters, or with another character. */
export function startOf(cell: string): string {
  const text = cell.trim();
  if (/^\p{Lu}{2}/u.test(text) && !/\p{Ll}/u.test(text)) return "AA";
  if (/^\p{Lu}/u.test(text)) return "Aa";
  if (/^\p{Ll}/u.test(text)) return "a";
  return /^\d/.test(text) ? "9" : "";
}
