# syntax=docker/dockerfile:1

# The server alone: it needs a PostgreSQL with TimescaleDB at DATABASE_URL. docker-compose.yml has both.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches keep downloads and compiled crates between builds; the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/meterbase /usr/local/bin/meterbase

FROM debian:12.12-slim
# Roots for TLS to the database; the build image has them.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/meterbase /usr/local/bin/meterbase
USER 65534:65534
WORKDIR /tmp
ENV METERBASE_LISTEN=0.0.0.0:8080
EXPOSE 8080
# bash's own network redirection: the image has no HTTP client. Over TLS the answer is an alert, so only plain HTTP.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${METERBASE_LISTEN##*:} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["meterbase"]
CMD ["serve"]
