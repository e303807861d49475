/** Reads source files and pages for the rules of the repository. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import ts from "typescript";

/** `value` and `type`: a static import. `dynamic`: import(). `thread`: a file that a new URL() names, a worker's. */
export type ImportKind = "value" | "type" | "dynamic" | "thread";

export interface Source {
  /** From the repository's root. */
  path: string;
  text: string;
  tree: ts.SourceFile;
  /** Imported modules: repository paths for relative imports, package names otherwise. */
  imports: { from: string; kind: ImportKind }[];
}

export interface FunctionFacts {
  name: string;
  lines: number;
  parameters: number;
}

/** Paths below `folder`, from `root`; nothing if the folder does not exist. */
export function walk(root: string, folder: string, pattern = /\.ts$/): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(root, path, pattern);
    return pattern.test(entry.name) ? [path] : [];
  });
}

export const readSources = (root: string, ...folders: string[]): Source[] =>
  folders
    .flatMap((folder) => walk(root, folder))
    .map((path) => parseSource(path, readFileSync(join(root, path), "utf8")));

export function parseSource(path: string, text: string): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: Source["imports"] = [];
  const add = (specifier: string, kind: ImportKind): void => {
    if (specifier.startsWith("node:")) return;
    const parts = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1);
    const from = specifier.startsWith(".") ? normalize(join(dirname(path), specifier)) : parts.join("/");
    imports.push({ from, kind });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const isType = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      add(node.moduleSpecifier.text, isType ? "type" : "value");
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.isTypeOnly ? "type" : "value");
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteral(argument)) add(argument.text, "dynamic");
    } else if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
      const [argument] = node.arguments ?? [];
      if (argument && ts.isStringLiteral(argument) && argument.text.endsWith(".ts")) add(argument.text, "thread");
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, text, tree, imports };
}

export function functionsOf(tree: ts.SourceFile): FunctionFacts[] {
  const found: FunctionFacts[] = [];
  const lineOf = (position: number): number => tree.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body) {
      const own = ts.isVariableDeclaration(node.parent) ? node.parent.name : node.name;
      const isConstructor = ts.isConstructorDeclaration(node);
      const name = isConstructor
        ? `${node.parent.name?.getText() ?? "class"}.constructor`
        : (own?.getText() ?? `${ts.SyntaxKind[node.kind]} at line ${lineOf(node.getStart()) + 1}`);
      const lines = lineOf(node.end) - lineOf(node.getStart()) + 1;
      found.push({ name, lines, parameters: node.parameters.length });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Where comments are, as [start, end) in the text. Strings and templates that look like comments are none. */
export function commentsOf({ tree, text }: Source): [number, number][] {
  const found = new Map<number, number>();
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(tree);
    if (children.length > 0 && node.kind !== ts.SyntaxKind.JSDoc) return children.forEach(visit);
    for (const { pos, end } of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) found.set(pos, end);
    for (const { pos, end } of ts.getTrailingCommentRanges(text, node.end) ?? []) found.set(pos, end);
  };
  visit(tree);
  return [...found];
}

export function withoutComments(source: Source): string {
  let code = "";
  let at = 0;
  for (const [start, end] of commentsOf(source).sort(([a], [b]) => a - b)) {
    if (start < at) continue;
    code += source.text.slice(at, start);
    at = end;
  }
  return code + source.text.slice(at);
}

/** Relative links of a Markdown page, without those in code. */
export function linksOf(markdown: string): { target: string; line: number }[] {
  const prose = markdown
    .replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ""))
    .replace(/`[^`\n]*`/g, "");
  return prose
    .split("\n")
    .flatMap((text, index) =>
      [...text.matchAll(/\]\(\s*<?([^)\s>]+)/g)].map((match) => ({ target: match[1]!, line: index + 1 })),
    )
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target));
}

/** Numbers of the lines that begin with a tag, or have one outside code. A comment is none. */
export function htmlLinesOf(markdown: string): number[] {
  const prose = markdown.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ""));
  const outside = prose.replace(/(`+)[^`]+\1/g, (code) => code.replace(/[^\n]/g, ""));
  const plain = outside.split("\n");
  return prose
    .split("\n")
    .flatMap((line, index) => (/^\s*<[a-z/]/i.test(line) || /<[a-z/]/i.test(plain[index]!) ? [index + 1] : []));
}

/** The anchors that GitHub gives a page's headings. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
