# One image with the worker, the operators' tool and the sandboxes; which of them
# a container runs is its command.
FROM golang:1.26.0-alpine3.22 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
ENV CGO_ENABLED=0 STAMP="-s -w -X causeway.dev/internal/buildinfo.stamped=${VERSION} -X causeway.dev/sandbox/commands.version=${VERSION}"
RUN go build -trimpath -ldflags="$STAMP" -o /out/ ./worker ./sandbox \
 && go build -trimpath -ldflags="$STAMP" -o /out/causeway ./starter

FROM alpine:3.22.1
RUN apk add --no-cache ca-certificates tzdata \
 && adduser -D -u 10001 causeway \
 && install -d -o causeway /data
COPY --from=build /out/ /usr/local/bin/
USER causeway
WORKDIR /data
ENV CAUSEWAY_CONFIG=/etc/causeway/causeway.yaml
CMD ["worker"]
