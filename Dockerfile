# Images with all commands: mind-server, mind-worker, mind, mind-inspect, mind-train, mind-eval, mind-golden.
#   docker build -t mind-diffusion .                    Debian's LibTorch, for the CPU
#   deploy/libtorch.sh cpu libtorch                     or: upstream's, into the build context
#   docker build -t mind-diffusion:libtorch --build-arg LIBTORCH=libtorch/torch .
#   deploy/libtorch.sh cuda libtorch                    or: with all that a GPU wants but its driver; none is needed here
#   docker build -t mind-diffusion:cuda --build-arg LIBTORCH=libtorch/torch .
#   docker run --read-only --tmpfs /tmp mind-diffusion
#
# The folder `libtorch` is whatever deploy/libtorch.sh has put there: git passes over it, the build context has it, and of it
# the image takes the libraries that its programs use. Without the argument LIBTORCH it is not looked at.
#
# They run as a user without rights, or as any other (--user 12345): nothing but /data and /tmp is written, and /data by
# members of the group 0, which such users are in. Without keys whoever reaches the ports may do everything: publish them
# (-p) to this host alone, or give --keys (docs/operations/security.md).
ARG BASE=debian:bookworm-slim

# What ships of Debian: some of its packages, and none of its tools to install others.
FROM ${BASE} AS debian
COPY deploy/packages.txt deploy/install.sh deploy/image/debian.sh /tmp/deploy/
RUN /tmp/deploy/install.sh run && useradd --uid 10001 --gid 0 --no-create-home --home-dir /data mind && \
    echo /usr/local/lib/mind >/etc/ld.so.conf.d/mind.conf && /tmp/deploy/debian.sh /out

FROM ${BASE} AS build
ARG LIBTORCH=
WORKDIR /src
COPY deploy/packages.txt deploy/install.sh deploy/
RUN deploy/install.sh build image
COPY . .
RUN libtorch=${LIBTORCH:+-DMIND_LIBTORCH=/src/${LIBTORCH#/}}; \
    cmake --preset release ${libtorch} && cmake --build --preset release --target mind-server mind-worker mind \
      mind-inspect mind-train mind-eval mind-golden
# The programs without their names of functions, every shared library that they use and is not there yet (of a LibTorch with
# CUDA, all that it has), and the list of what that is.
COPY --from=debian /out/etc/ld.so.cache /out/ld.so.cache
RUN mkdir -p /out/bin /out/lib && cp build/release/bin/* /out/bin/ && strip /out/bin/* && \
    deploy/image/libraries.sh /out/bin /out/lib /out/ld.so.cache ${LIBTORCH:+/src/${LIBTORCH#/}/lib} && \
    deploy/image/sbom.sh /out/bin /out/lib ${LIBTORCH:+/src/${LIBTORCH#/}/lib} >/out/sbom.spdx.json

FROM scratch
COPY --from=debian /out/ /
COPY --from=build /out/lib/ /usr/local/lib/mind/
RUN ldconfig && mkdir -p /data /models && chown mind:0 /data && chmod g=u /data
COPY deploy/models/ /models/
COPY --from=build /out/bin/ /usr/local/bin/
COPY deploy/image/alive.sh /usr/local/bin/mind-alive
COPY --from=build /out/sbom.spdx.json /usr/share/doc/mind-diffusion/
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mind-Diffusion" \
      org.opencontainers.image.description="A generation service for diffusion models: servers, workers, commands" \
      org.opencontainers.image.revision="${REVISION}"
ENV MIND_DATA=/data MIND_MODELS=/models
USER 10001
VOLUME /data
EXPOSE 8080 8081 9090 9091
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["mind-alive"]
CMD ["mind-server", "--open", "--listen", "0.0.0.0:8080", "--metrics", "0.0.0.0:9090"]
