package dataverse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"causeway.dev/internal/transport"
)

// answerPart is one part of a batch's answer: a reply, or the replies of a
// change set.
type answerPart struct {
	contentID int                 // 0 when not given
	res       *transport.Response // nil when it cannot be read
	nested    []answerPart        // not nil: a change set
}

// place is the operation of unit that the nth reply belongs to, -1 for none.
func (p answerPart) place(unit []int, n int) int {
	if p.contentID != 0 && len(unit) > 1 {
		for _, i := range unit {
			if i+1 == p.contentID {
				return i
			}
		}
		return -1
	}
	if n < len(unit) {
		return unit[n]
	}
	return -1
}

func multipartBoundary(contentType string) (string, bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return "", false
	}
	return params["boundary"], true
}

// splitAnswer reads the parts of a multipart body up to where it breaks off, if
// it does: a part counts only when the next boundary follows it. Line ends may
// be CRLF or LF. complete says that the last boundary was there.
func splitAnswer(boundary string, body []byte) (parts []answerPart, complete bool) {
	return split(boundary, body, true)
}

func split(boundary string, body []byte, outer bool) (parts []answerPart, complete bool) {
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if err != nil {
			return parts, errors.Is(err, io.EOF) && ended(boundary, body)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return parts, false
		}
		inner, isSet := multipartBoundary(part.Header.Get("Content-Type"))
		switch {
		case isSet && outer:
			nested, _ := split(inner, content, false)
			parts = append(parts, answerPart{nested: append([]answerPart{}, nested...)})
		case isSet:
			parts = append(parts, answerPart{}) // a set in a set: nothing the service sends
		default:
			parts = append(parts, readReply(part.Header, content))
		}
	}
}

// ended says that the last boundary in body ends the parts; the reader doesn't
// tell that from a body that breaks off in the headers of a part.
func ended(boundary string, body []byte) bool {
	at := bytes.LastIndex(body, []byte("--"+boundary))
	return at >= 0 && (at == 0 || body[at-1] == '\n') && bytes.HasPrefix(body[at:], []byte("--"+boundary+"--"))
}

// readReply reads the HTTP answer in a part. Its headers may end with the part,
// and Content-Length is not believed: the part's end is.
func readReply(h textproto.MIMEHeader, content []byte) answerPart {
	p := answerPart{}
	buffered := bufio.NewReader(bytes.NewReader(bytes.TrimLeft(content, "\r\n")))
	r := textproto.NewReader(buffered)
	status, err := r.ReadLine()
	if err != nil {
		return p
	}
	fields := strings.Fields(status)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
		return p
	}
	code, err := strconv.Atoi(fields[1])
	if err != nil || code < 100 || code > 599 {
		return p
	}
	own, err := r.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return p
	}
	body, err := io.ReadAll(buffered)
	if err != nil {
		return p
	}
	p.res = &transport.Response{Status: code, Header: http.Header(own), Body: bytes.TrimSpace(body)}
	for _, id := range []string{h.Get("Content-Id"), own.Get("Content-Id")} {
		if n, err := strconv.Atoi(strings.TrimSpace(id)); err == nil && n > 0 {
			p.contentID = n
			break
		}
	}
	return p
}
