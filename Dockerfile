# The services in one image; compose says which one a container runs.
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm install --no-save --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY schemas schemas
COPY lib lib
COPY services services
COPY cli cli
COPY bin bin
COPY scripts/build.mjs scripts/
COPY scripts/stack scripts/stack
COPY docs/contract.schema.json docs/
RUN npm run build

FROM node:20.20.2-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm install --no-save --omit=dev --no-audit --no-fund

# DuckDB's extension files, for the warehouse iceberg: and the commit engine auto. pip verifies their hashes.
FROM python:3.11.13-slim-bookworm AS extensions
WORKDIR /extensions
COPY infra/duckdb/requirements.txt ./
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: --target packages -r requirements.txt \
  && mkdir files && mv packages/duckdb_extension_*/extensions/v*/*.duckdb_extension files/ && ls files

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production TRIBUTARY_DUCKDB_EXTENSIONS_DIR=/app/duckdb-extensions
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=extensions /extensions/files duckdb-extensions
COPY package.json ./
COPY contracts contracts
USER node
EXPOSE 8080
CMD ["node", "dist/services/gateway/main.js"]
