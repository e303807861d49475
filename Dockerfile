# Images of the services. docker build . makes the last target, all services in one container:
#   docker run --publish 8080:8080 --volume tributary:/var/lib/tributary tributary
# docker build --target parser . makes the image of one service. Every target has the same layers.

# Compiled JavaScript is the same on every platform.
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY schemas schemas
COPY lib lib
COPY services services
COPY cli cli
COPY bin bin
COPY scripts/build.mjs scripts/
COPY scripts/stack scripts/stack
COPY docs/contract.schema.json docs/
COPY LICENSE NOTICE ./
# Files of a builder with a strict umask are private; the image's user must read them.
RUN npm run build && rm dist/sources.json && find dist -name '*.map' -delete && chmod -R a+rX dist bin LICENSE NOTICE package.json

FROM node:20.20.2-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund --ignore-scripts \
  && rm -rf node_modules/.bin node_modules/.package-lock.json \
  && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
  && chmod -R a+rX node_modules

# DuckDB's extension files, for the warehouse iceberg: and the commit engine auto. pip verifies their hashes.
FROM python:3.11.13-slim-bookworm AS extensions
WORKDIR /extensions
COPY infra/duckdb/requirements.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: --target packages -r requirements.txt \
  && mkdir files && mv packages/duckdb_extension_*/extensions/v*/*.duckdb_extension files/ && chmod -R a+rX files && ls files

FROM node:20.20.2-bookworm-slim AS node

# One of the services: the command names it. tini is process 1: it forwards signals and reaps children.
FROM debian:12.11-slim AS service
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
  && groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node \
  && install --directory --owner node --group node /var/lib/tributary /etc/tributary/keys \
  && mkdir -p /app/contracts && ln -s /app/bin/tributary.mjs /usr/local/bin/tributary
COPY --from=node /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
COPY --from=extensions /extensions/files duckdb-extensions
COPY --from=packages /app/node_modules node_modules
COPY infra/image/health.sh infra/image/all-in-one.sh /usr/local/lib/tributary/
RUN chmod -R a+rX /usr/local/lib/tributary
COPY --from=build /app/package.json /app/LICENSE /app/NOTICE ./
COPY --from=build /app/bin bin
COPY --from=build /app/dist dist
# The services still listen on 127.0.0.1 unless a setting says otherwise.
ENV NODE_ENV=production \
  TRIBUTARY_DUCKDB_EXTENSIONS_DIR=/app/duckdb-extensions \
  TRIBUTARY_DATA_DIR=/var/lib/tributary \
  TRIBUTARY_START_WAIT_MAX=10m \
  TRIBUTARY_PORT=8080 \
  TRIBUTARY_PARSER_PORT=8080 \
  TRIBUTARY_COMMITTER_PORT=8080 \
  TRIBUTARY_SCHEDULER_PORT=8080 \
  TRIBUTARY_REGISTRAR_PORT=8080
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --start-interval=2s --retries=3 \
  CMD ["/bin/bash", "/usr/local/lib/tributary/health.sh"]
ENTRYPOINT ["tini", "--"]
CMD ["tributary", "--help"]

FROM service AS gateway
CMD ["node", "dist/services/gateway/main.js"]

FROM service AS parser
CMD ["node", "dist/services/parser/main.js"]

FROM service AS committer
CMD ["node", "dist/services/committer/main.js"]

FROM service AS scheduler
CMD ["node", "dist/services/scheduler/main.js"]

FROM service AS registrar
CMD ["node", "dist/services/registrar/main.js"]

# The services in one process, with their data in one folder. It makes an API key at its first start.
FROM service AS all-in-one
ENV TRIBUTARY_HOST=0.0.0.0
VOLUME /var/lib/tributary
CMD ["/bin/sh", "/usr/local/lib/tributary/all-in-one.sh"]
