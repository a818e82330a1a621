# Two stages: a static binary, and an image that holds nothing else.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /unmask ./cmd/unmask \
 && mkdir -m 0700 /data

FROM scratch
COPY --from=build /unmask /unmask
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
ENV UNMASK_STORE_PATH=/data/unmask.db
VOLUME /data
EXPOSE 8080 8081 9090
# Inside a container the listeners have to leave loopback; there is no
# authentication yet, so publish the ports to trusted networks only.
ENTRYPOINT ["/unmask"]
CMD ["serve", "--server.allow-remote", "--server.grpc-addr=0.0.0.0:8081", "--server.http-addr=0.0.0.0:8080", "--server.ops-addr=0.0.0.0:9090"]
