# The balancer and the demonstration's backend in one image. BASE: any image with Node.js 24.22.3 or newer and npm.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Another npm registry, where the public one is out of reach; npm reads it from the environment of this stage.
ARG NPM_CONFIG_REGISTRY
# The base is the right Node.js already, so the pinned ones (optional dependencies) stay out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
COPY bin ./bin
COPY src ./src
# Readable to the user below whatever the checkout's umask was, and writable to root only.
RUN chmod -R a+rX,go-w .

FROM ${BASE}
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=dependencies /app/package.json ./
COPY --from=dependencies /app/bin ./bin
COPY --from=dependencies /app/src ./src
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
# A base with too old a Node.js fails here and not in production.
RUN ["node", "bin/linebacker", "--version"]
EXPOSE 5252 9494 9797
# What must return 2xx; a backend names its own.
ENV HEALTH_URL=http://127.0.0.1:9494/healthz
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.HEALTH_URL).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/linebacker"]
CMD ["serve"]
