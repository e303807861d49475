#!/usr/bin/env bash
# Builds stand-ins for the images that compose.yml and the Dockerfiles name, on a machine that reaches package
# registries but no image registry. docs/running-the-stack.md, "Rehearsal", says what they prove and what not.
#   sudo infra/rehearsal/images.sh            # all of them
#   sudo infra/rehearsal/images.sh trino      # one
# Needs Docker Engine 25 or newer, debootstrap (root), Node 20 with npm, a JDK 24 or newer, and the programs that
# `npm run stack -- --no-services --run true` has installed.
#   JAVA_HOME              the JDK of Trino and of Kafka, which replaces Redpanda
#   TRIBUTARY_CACHE_DIR    default ~/.cache/tributary
#   DEBIAN_MIRROR          default http://deb.debian.org/debian
#   CA_FILE                certificates that the images trust too, for a registry behind a proxy; default: none
#   STANDINS_WORK          folder for downloads and build contexts, 3 GB; default /var/tmp/tributary-standins
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${STANDINS_WORK:-/var/tmp/tributary-standins}
cache=${TRIBUTARY_CACHE_DIR:-$HOME/.cache/tributary}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
compose=$here/../compose.yml
mkdir -p "$work"

# The image of compose.yml, or the base in a Dockerfile, whose name has the given beginning.
image() { grep -ohE "(image:|FROM) $1:[^ ]+" "$compose" "$here/../../Dockerfile" | awk '{ print $2; exit }'; }

# debian <image> <suite> <packages>: a slim Debian with packages.
debian() {
  ! docker image inspect "$1" >/dev/null 2>&1 || return 0
  local root=$work/root-$2-${3//[^a-z0-9]/-}
  rm -rf "$root"
  debootstrap --variant=minbase --include="$3" "$2" "$root" "$mirror" >"$root.log"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/{doc,man,locale}/* "$root"/var/lib/apt/lists/*
  [ -z "${CA_FILE:-}" ] || { mkdir -p "$root/etc/ssl/certs"; cp "$CA_FILE" "$root/etc/ssl/certs/ca-certificates.crt"; }
  tar -C "$root" --numeric-owner -c . | docker import -c "$path" -c 'CMD ["bash"]' - "$1" >/dev/null
  rm -rf "$root"
}
base() { debian "$(image debian)" bookworm ca-certificates; }
programs_base() { debian standin/programs:13 trixie ca-certificates,prometheus,prometheus-alertmanager,prometheus-postgres-exporter,busybox; }

# context <name>: an empty build context with the folder's files and a folder root/.
context() { rm -rf "${work:?}/$1" && mkdir -p "$work/$1/root" && { [ ! -d "$here/$1" ] || cp -a "$here/$1/." "$work/$1/"; }; echo "$work/$1"; }
# finish <context> <image> [options]: builds the context's Dockerfile, or the one on standard input.
finish() { docker build --quiet --tag "$2" "${@:3}" "$1" >/dev/null && docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' "$2"; }
jdk() { mkdir -p "$1/opt/jdk" && cp -a "${JAVA_HOME:?a JDK}/." "$1/opt/jdk/" && rm -rf "$1"/opt/jdk/{jmods,lib/src.zip,man}; }

node() {
  base; local c; c=$(context node)
  mkdir -p "$c/root/bin" "$c/root/lib/node_modules/npm" "$c/root/etc"
  install -m 755 "$(type -P node)" "$c/root/bin/node"
  (cd "$work" && npm pack --silent npm@10.8.2 >/dev/null)
  tar -xzf "$work/npm-10.8.2.tgz" -C "$c/root/lib/node_modules/npm" --strip-components=1
  chmod -R a+rX "$c/root" && chmod 755 "$c/root/lib/node_modules/npm/bin/npm-cli.js"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$c/root/bin/npm"
  [ -z "${CA_FILE:-}" ] || echo "cafile=/etc/ssl/certs/ca-certificates.crt" >"$c/root/etc/npmrc"
  printf 'FROM %s\nCOPY root/ /usr/local/\nCMD ["node"]\n' "$(image debian)" >"$c/Dockerfile"
  finish "$c" "$(image node)"
}
python() {
  base; local c; c=$(context python)
  cat >"$c/Dockerfile" <<END
FROM $(image debian)
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-pip >/dev/null \
  && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1
END
  finish "$c" "$(image python)"
}
redpanda() {
  base; local c; c=$(context redpanda)
  jdk "$c/root"; mkdir -p "$c/root/opt/kafka"
  cp -a "$cache"/kafka-*/libs "$c/root/opt/kafka/" && cp "$here/../kafka/log4j2.yaml" "$c/"
  finish "$c" "$(image redpandadata/redpanda)" --build-arg BASE="$(image debian)"
}
trino() {
  base; local c; c=$(context trino)
  jdk "$c/root"; mkdir -p "$c/root/usr/lib" && cp -a "$cache"/trino-476*/. "$c/root/usr/lib/trino/"
  cat >"$c/Dockerfile" <<END
FROM $(image debian)
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends curl python3 >/dev/null && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 1000 --create-home trino \
  && install -d -o trino -g trino /usr/lib/trino /data/trino /etc/trino
COPY --chown=1000:1000 root/ /
ENV JAVA_HOME=/opt/jdk
USER trino
END
  finish "$c" "$(image trinodb/trino)"
}
seaweedfs() {
  programs_base; local c; c=$(context seaweedfs)
  mkdir -p "$c/root/usr/bin" && cp "$cache"/seaweedfs-*/bin/weed "$c/root/usr/bin/weed"
  program "$c" seaweed 1000 /data >"$c/Dockerfile"
  finish "$c" "$(image chrislusf/seaweedfs)"
}
postgres() {
  debian standin/postgres:13 trixie postgresql-17,gosu
  finish "$(context postgres)" "$(image postgres)"
}
# program <context> <user> <uid> <folder>: a Dockerfile of a program whose own image has busybox's shell and tools.
program() {
  cat <<END
FROM standin/programs:13
RUN useradd --non-unique --uid $3 --no-create-home $2 2>/dev/null || true; install -d -o $3 -g $3 $4
COPY root/ /
RUN for tool in wget awk sed; do ln -sf /bin/busybox /usr/local/bin/\$tool; done
USER $3:$3
WORKDIR $4
VOLUME $4
END
}
# renamed <name> <image> <program in Debian> <program in the image> <folder>
renamed() {
  programs_base; local c; c=$(context "$1")
  mkdir -p "$c/root/bin"
  { program "$c" nobody 65534 "$5"; printf 'ENTRYPOINT ["%s"]\n' "$4"; } | sed "s#^COPY.*#RUN [ -e $4 ] || ln -s $3 $4#" >"$c/Dockerfile"
  finish "$c" "$2"
}
prometheus() { renamed prometheus "$(image prom/prometheus)" /usr/bin/prometheus /bin/prometheus /prometheus; }
alertmanager() { renamed alertmanager "$(image prom/alertmanager)" /usr/bin/prometheus-alertmanager /bin/alertmanager /alertmanager; }
exporter() {
  renamed exporter "$(image prometheuscommunity/postgres-exporter)" /usr/bin/prometheus-postgres-exporter /bin/postgres_exporter /home
}
# Grafana draws nothing here: it reads what Grafana would read, and refuses to start when it cannot.
grafana() {
  programs_base; local c; c=$(context grafana)
  cat >"$c/root/grafana.sh" <<'END'
: "${GF_SECURITY_ADMIN_PASSWORD:?is needed}"
touch /var/lib/grafana/grafana.db || exit 1
for file in /etc/grafana/provisioning/*/*.yml /etc/grafana/dashboards/*.json; do
  [ -r "$file" ] || { echo "$file cannot be read by user $(id -u)" >&2; exit 1; }
done
mkdir -p /tmp/www/api && echo '{"database":"ok"}' >/tmp/www/api/health
exec busybox httpd -f -p 3000 -h /tmp/www
END
  { program "$c" grafana 472 /var/lib/grafana; echo 'ENTRYPOINT ["/bin/sh", "/grafana.sh"]'; } >"$c/Dockerfile"
  finish "$c" "$(image grafana/grafana)"
}

[ $# -gt 0 ] || set -- node python redpanda seaweedfs trino postgres prometheus alertmanager exporter grafana
for name in "$@"; do printf '%s\n' "== $name" >&2; "$name"; done
