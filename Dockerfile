# A Node in a container, without root: `make image`, then
#   docker run --read-only --cap-drop ALL -v masq:/data -p 127.0.0.1:1080:1080 -p 4519:4519 masq-node
# with settings in /data/config.toml, or as -e MASQ_... (docs/operating.md).
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements/node.txt requirements/node.txt
RUN python -m venv /opt/masq && /opt/masq/bin/pip install --no-cache-dir --require-hashes -r requirements/node.txt
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir dist . && /opt/masq/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.13-slim
COPY --from=build /opt/masq /opt/masq
RUN useradd --system --uid 10001 --home-dir /data masq && install -d -o masq -m 0700 /data
USER masq
ENV PATH=/opt/masq/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MASQ_DATA_DIRECTORY=/data \
    MASQ_ENTRY_IP=0.0.0.0
VOLUME /data
# The entry is for this machine's programs: publish it at 127.0.0.1 alone.
EXPOSE 1080 4519
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s CMD ["masq", "status", "--check"]
ENTRYPOINT ["masq"]
CMD ["run"]
