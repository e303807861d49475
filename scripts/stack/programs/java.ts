import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** Minimum of Trino 476; Kafka runs on it too. */
export const JAVA_VERSION_MIN = 24;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The home of a Java ≥ 24. If TRIBUTARY_JAVA_HOME is set, only that; else JAVA_HOME, then the newest in the
 * system's default folders, then the `java` of the PATH.
 * @throws Error that lists the versions found and names the remedy.
 */
export function findJava(env: Environment): string {
  const seen: string[] = [];
  const candidates = env.TRIBUTARY_JAVA_HOME
    ? [env.TRIBUTARY_JAVA_HOME]
    : [...(env.JAVA_HOME ? [env.JAVA_HOME] : []), ...installed(), ...onPath(env)];
  for (const home of candidates) {
    const version = javaVersion(home);
    if (version >= JAVA_VERSION_MIN) return home;
    seen.push(`${home} (${version === 0 ? "not a Java home" : `Java ${version}`})`);
  }
  throw new Error(
    `Trino needs Java ${JAVA_VERSION_MIN} or newer; found ${seen.length > 0 ? seen.join(", ") : "none"}.\n` +
      "→ Install a JDK, for example Eclipse Temurin 25 (`apt-get install temurin-25-jdk`, " +
      "`brew install --cask temurin@25` or `sdk install java 25-tem`), or set TRIBUTARY_JAVA_HOME to its home.",
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

/** The feature release (25 of 25.0.1) from the home's `release` file; 0 if it is not a Java home. */
export function javaVersion(home: string): number {
  const release = join(home, "release");
  if (!existsSync(join(home, "bin", "java")) || !existsSync(release)) return 0;
  return Number(/^JAVA_VERSION="(\d+)/m.exec(readFileSync(release, "utf8"))?.[1] ?? 0);
}
