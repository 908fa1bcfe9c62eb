# Linebacker and its demonstration backend in one image. BASE is any image with Node.js 24.18 or newer and npm.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The base has the right Node.js already, so the pinned binaries (optional dependencies) stay out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM ${BASE}
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY bin ./bin
COPY src ./src
COPY deploy/linebacker.yaml /etc/linebacker/linebacker.yaml
USER 10001:10001
EXPOSE 5252 9494 9797
# For a backend, HEALTH_URL names its own /healthz.
ENV HEALTH_URL=http://127.0.0.1:9494/healthz
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.HEALTH_URL).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/linebacker"]
CMD ["serve", "-c", "/etc/linebacker/linebacker.yaml"]
