import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** Trino 476 needs it; Kafka runs on it too. */
export const JAVA_VERSION_MIN = 24;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The home of a Java ≥ 24: TRIBUTARY_JAVA_HOME if set (then no other), else JAVA_HOME, else the newest that stands where
 * systems keep them, else the `java` of the PATH.
 * @throws Error that says what was found and the way out.
 */
export function findJava(env: Environment): string {
  const seen: string[] = [];
  const candidates = env.TRIBUTARY_JAVA_HOME
    ? [env.TRIBUTARY_JAVA_HOME]
    : [...(env.JAVA_HOME ? [env.JAVA_HOME] : []), ...installed(), ...onPath(env)];
  for (const home of candidates) {
    const version = javaVersion(home);
    if (version >= JAVA_VERSION_MIN) return home;
    seen.push(`${home} (${version === 0 ? "no Java" : `Java ${version}`})`);
  }
  throw new Error(
    `Trino needs Java ${JAVA_VERSION_MIN} or newer; found ${seen.length > 0 ? seen.join(", ") : "none"}.\n` +
      "→ Install a JDK (Eclipse Temurin 25, say: `apt-get install temurin-25-jdk`, `brew install --cask temurin@25`, `sdk install java 25-tem`)," +
      " or point TRIBUTARY_JAVA_HOME at one.",
  );
}

function installed(): string[] {
  const homes = [
    ...children("/usr/lib/jvm"),
    ...children("/Library/Java/JavaVirtualMachines").map((jdk) => join(jdk, "Contents", "Home")),
  ];
  return homes.sort((a, b) => javaVersion(b) - javaVersion(a));
}

const children = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];

function onPath(env: Environment): string[] {
  const folder = (env.PATH ?? "").split(delimiter).find((each) => existsSync(join(each, "java")));
  return folder === undefined ? [] : [dirname(dirname(realpathSync(join(folder, "java"))))];
}

/** The feature release (25 of 25.0.1) that the home's `release` file states; 0 if there is no Java. */
export function javaVersion(home: string): number {
  const release = join(home, "release");
  if (!existsSync(join(home, "bin", "java")) || !existsSync(release)) return 0;
  return Number(/^JAVA_VERSION="(\d+)/m.exec(readFileSync(release, "utf8"))?.[1] ?? 0);
}
