# One image with all commands: mind-server, mind-worker, mind, mind-inspect, mind-train, mind-eval, mind-golden.
#   docker build -t mind-diffusion .
#   docker run mind-diffusion mind-server --open --listen 0.0.0.0:8080 --metrics 0.0.0.0:9090 --data /data
#
# Without keys whoever reaches the ports may do everything: publish them (-p) to this host alone, or give --keys
# (docs/operations/security.md).
#
# Another LibTorch (CUDA): --build-arg LIBTORCH=/path/in/context with an unpacked libtorch-cxx11-abi archive; the default
# is Debian's, for the CPU.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS build
ARG LIBTORCH=
WORKDIR /src
COPY deploy/packages.txt deploy/install.sh deploy/
RUN deploy/install.sh build
COPY . .
RUN prefix=${LIBTORCH:+-DCMAKE_PREFIX_PATH=/src/${LIBTORCH#/}}; \
    cmake --preset release ${prefix} && cmake --build --preset release --target mind-server mind-worker mind \
      mind-inspect mind-train mind-eval mind-golden
# The programs, and every shared library they use that the base image lacks.
RUN mkdir -p /out/bin /out/lib && cp build/release/bin/* /out/bin/ && \
    ldd /out/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do \
      cp -L "$library" /out/lib/; done

FROM ${BASE}
COPY deploy/packages.txt deploy/install.sh /tmp/deploy/
RUN /tmp/deploy/install.sh run && rm -rf /tmp/deploy /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --home-dir /data mind && mkdir -p /data /models && chown mind /data
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build /out/lib/ /usr/local/lib/mind/
COPY deploy/models/ /models/
# glibc's own libraries come from the base; ours only fill in what it lacks.
RUN cd /usr/local/lib/mind && for library in *; do \
      if ldconfig -p | grep -q "[[:space:]]$library "; then rm "$library"; fi; done; \
    echo /usr/local/lib/mind >/etc/ld.so.conf.d/mind.conf && ldconfig
ENV MIND_DATA=/data MIND_MODELS=/models
USER mind
VOLUME /data
EXPOSE 8080 9090 9091
CMD ["mind-server", "--open", "--listen", "0.0.0.0:8080", "--metrics", "0.0.0.0:9090"]
