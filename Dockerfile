# The daemon: a static binary in an image that has nothing else. It listens on
# loopback unless told otherwise; see "Security notes" in README.md first.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=0.1.0-dev
RUN make build VERSION=$VERSION && \
	mkdir -p /image/bin /image/data /image/tmp /image/etc/ssl/certs && \
	cp insightd /image/bin/ && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && \
	chmod 1777 /image/tmp && chown 65532:65532 /image/data

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
VOLUME /data
ENTRYPOINT ["/bin/insightd"]
CMD ["serve", "--storage.path=/data"]
