# tp2 in a container that has nothing but its three programs. What it keeps is in /var/lib/tp2.
#
#   docker build -t tp2 .                                    --build-arg FEATURES=… for cargo features
#   docker run -p 127.0.0.1:8080:8080 -v tp2:/var/lib/tp2 tp2
#
# tests/packages.sh takes the same steps without a daemon, in a chroot.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /build
COPY . .
ARG FEATURES=
RUN scripts/release -t "$(uname -m)-unknown-linux-musl" -F "$FEATURES" -o /dist

FROM scratch
COPY --from=build /dist/root/usr /usr
COPY --from=build --chown=65532:65532 /dist/root/run/tp2 /run/tp2
COPY --from=build --chown=65532:65532 /dist/root/var/lib/tp2 /var/lib/tp2
USER 65532:65532
WORKDIR /var/lib/tp2
VOLUME /var/lib/tp2
# The scaler's socket is in a private folder there. Whom the port is open to is what `docker run -p` says.
ENV XDG_RUNTIME_DIR=/run/tp2 TP2_IP=0.0.0.0 TP2_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/usr/bin/tp2", "--salud"]
ENTRYPOINT ["/usr/bin/tp2"]
