package dataverse

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

const (
	maxOperations = 1000
	contentID     = "Content-Id"
)

var unreadable = &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'', For more information on this error please follow this help link. Stream was not readable."}

// batchPart is one operation, or a change set of several.
type batchPart struct {
	header     textproto.MIMEHeader
	operation  *http.Request
	operations []batchPart // of a change set
}

func (p *batchPart) count() int {
	if p.operation != nil {
		return 1
	}
	return len(p.operations)
}

// batch serves $batch (§5.5).
func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.fail(w, &refusal{405, "0x8006088a", "The method is not allowed here."})
		return
	}
	by, bad := s.caller(r)
	var data []byte
	if bad == nil {
		data, bad = s.body(r)
	}
	var parts []batchPart
	if bad == nil {
		parts, bad = parseBatch(r, data)
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	operations := 0
	for i := range parts {
		operations += parts[i].count()
	}
	s.spend(r.Context(), w, operations)
	goOn := strings.Contains(strings.Join(r.Header.Values("Prefer"), ","), "odata.continue-on-error")
	boundary := "batchresponse_" + uuid.NewString()
	status := http.StatusOK
	var out bytes.Buffer
	for i := range parts {
		failed := s.part(&out, by, &parts[i], boundary)
		if failed != 0 && !goOn {
			status = failed
			break
		}
	}
	fmt.Fprintf(&out, "--%s--\r\n", boundary)
	w.Header()["Content-Type"] = []string{"multipart/mixed; boundary=" + boundary}
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// part carries out one part and writes its answer. It returns the status of a failure,
// else 0.
func (s *Server) part(out *bytes.Buffer, by string, p *batchPart, boundary string) int {
	fmt.Fprintf(out, "--%s\r\n", boundary)
	if p.operation != nil {
		answer := s.operate(p)
		answer.writeTo(out, "")
		return answer.failure()
	}
	answers, failed := s.changeSet(by, p.operations)
	if failed != nil {
		failed.writeTo(out, "")
		return failed.failure()
	}
	inner := "changesetresponse_" + uuid.NewString()
	fmt.Fprintf(out, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n", inner)
	for i, a := range answers {
		fmt.Fprintf(out, "--%s\r\n", inner)
		a.writeTo(out, p.operations[i].header.Get(contentID))
	}
	fmt.Fprintf(out, "--%s--\r\n", inner)
	return 0
}

// changeSet carries out operations in one transaction. If one fails, none counts, and
// its answer is failed.
func (s *Server) changeSet(by string, operations []batchPart) (answers []*answer, failed *answer) {
	x := s.beginFor(by)
	for i := range operations {
		p := &operations[i]
		p.operation = p.operation.WithContext(withTx(p.operation.Context(), x))
		p.operation.Header.Set(contentID, p.header.Get(contentID))
		var a *answer
		if bad := x.resolve(p.operation); bad != nil {
			a = newAnswer()
			s.fail(a, bad)
		} else {
			a = s.operate(p)
		}
		if a.failure() != 0 {
			x.end(false)
			return nil, a
		}
		answers = append(answers, a)
	}
	x.end(true)
	return answers, nil
}

// resolve replaces $1 in an operation's URL by the path of the row that operation 1
// wrote.
func (x *tx) resolve(r *http.Request) *refusal {
	path := strings.TrimPrefix(withoutRoot(r.URL.Path), "/")
	if !strings.HasPrefix(path, "$") {
		return nil
	}
	id, rest, _ := strings.Cut(path[1:], "/")
	to, ok := x.refs[id]
	if !ok {
		return &refusal{400, "0x80060888", "Content-ID Reference: '$" + id + "' does not exist in the batch context."}
	}
	if rest != "" {
		to += "/" + rest
	}
	r.URL.Path, r.URL.RawPath = to, ""
	return nil
}

func (s *Server) operate(p *batchPart) *answer {
	a := newAnswer()
	s.route(a, p.operation)
	return a
}

// parseBatch reads the parts; every line must end in CRLF, the last one too.
func parseBatch(r *http.Request, data []byte) ([]batchPart, *refusal) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/mixed" || params["boundary"] == "" {
		return nil, &refusal{400, "0x80048d19", "The content type of a batch must be multipart/mixed with a boundary."}
	}
	raw, bad := split(data, params["boundary"], false)
	if bad != nil {
		return nil, bad
	}
	total := 0
	var parts []batchPart
	for _, one := range raw {
		p, bad := parsePart(r, one, true)
		if bad != nil {
			return nil, bad
		}
		total += p.count()
		parts = append(parts, p)
	}
	if total == 0 {
		return nil, &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'', the batch holds no operation."}
	}
	if total > maxOperations {
		return nil, &refusal{400, "0x80040203", fmt.Sprintf("The batch holds %d operations; the limit is %d.", total, maxOperations)}
	}
	return parts, nil
}

// split cuts a multipart body at its boundary. After the last boundary of a nested
// body, the CRLF may belong to the boundary around it. What comes before the first
// boundary is no part (RFC 2046 calls it the preamble).
func split(data []byte, boundary string, nested bool) ([][]byte, *refusal) {
	dash := []byte("--" + boundary)
	rest, ok := bytes.CutPrefix(data, dash)
	if !ok {
		if _, rest, ok = bytes.Cut(data, append([]byte("\r\n"), dash...)); !ok {
			return nil, unreadable
		}
	}
	var parts [][]byte
	for {
		if end, last := bytes.CutPrefix(rest, []byte("--")); last {
			if string(end) == "\r\n" || nested && len(end) == 0 {
				return parts, nil
			}
			return nil, unreadable
		}
		if rest, ok = bytes.CutPrefix(rest, []byte("\r\n")); !ok {
			return nil, unreadable
		}
		var part []byte
		if part, rest, ok = bytes.Cut(rest, append([]byte("\r\n"), dash...)); !ok {
			return nil, unreadable
		}
		parts = append(parts, part)
	}
}

func parsePart(r *http.Request, data []byte, outermost bool) (batchPart, *refusal) {
	header, body, bad := headerOf(data)
	if bad != nil {
		return batchPart{}, bad
	}
	p := batchPart{header: header}
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case err == nil && media == "multipart/mixed" && outermost:
		raw, bad := split(body, params["boundary"], true)
		if bad != nil {
			return p, bad
		}
		p.operations = []batchPart{}
		for _, one := range raw {
			op, bad := parsePart(r, one, false)
			if bad == nil {
				bad = p.admit(op)
			}
			if bad != nil {
				return p, bad
			}
			p.operations = append(p.operations, op)
		}
		return p, nil
	case err == nil && media == "multipart/mixed":
		return p, &refusal{400, "0x80048d19", "Nested changesets in a batch payload are not supported."}
	case err != nil, media != "application/http", !strings.EqualFold(header.Get("Content-Transfer-Encoding"), "binary"):
		return p, &refusal{400, "0x80048d19", "A part of a batch must be of type application/http with Content-Transfer-Encoding binary."}
	}
	p.operation, bad = operationOf(r, body)
	return p, bad
}

// admit refuses an operation that a change set cannot hold.
func (p *batchPart) admit(op batchPart) *refusal {
	id := op.header.Get(contentID)
	switch {
	case op.operation.Method == http.MethodGet:
		return &refusal{400, "0x80048d19", "An invalid HTTP method 'GET' was detected for a request in a change set. Requests in change sets only support the HTTP methods 'POST', 'PUT', 'DELETE', and 'PATCH'."}
	case id == "":
		return &refusal{400, "0x80060888", "Content-ID header not present in an operation of a change set."}
	case slices.ContainsFunc(p.operations, func(other batchPart) bool { return other.header.Get(contentID) == id }):
		return &refusal{400, "0x80048d19", "The content ID '" + id + "' was found more than once in the same change set or same batch request. Content IDs have to be unique across all operations of a change set for OData V4.0."}
	}
	return nil
}

// headerOf reads header lines up to the empty one. The boundary after them may take its
// place: then there is no body.
func headerOf(data []byte) (textproto.MIMEHeader, []byte, *refusal) {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		head, ok = bytes.CutSuffix(data, []byte("\r\n"))
	}
	if !ok || bytes.Contains(bytes.ReplaceAll(head, []byte("\r\n"), nil), []byte("\n")) {
		return nil, nil, unreadable
	}
	h, err := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n\r\n")))).ReadMIMEHeader()
	if err != nil {
		return nil, nil, unreadable
	}
	return h, body, nil
}

// operationOf reads a request line, headers and a body.
func operationOf(outer *http.Request, data []byte) (*http.Request, *refusal) {
	line, rest, ok := bytes.Cut(data, []byte("\r\n"))
	fields := strings.Split(string(line), " ")
	if !ok || len(fields) != 3 || fields[2] != "HTTP/1.1" {
		return nil, unreadable
	}
	header := textproto.MIMEHeader{}
	body, none := bytes.CutPrefix(rest, []byte("\r\n"))
	if !none && len(rest) > 0 {
		var bad *refusal
		if header, body, bad = headerOf(rest); bad != nil {
			return nil, &refusal{400, "0x80048d19", "The message header '" + strings.SplitN(string(rest), "\r\n", 2)[0] + "' is invalid. The header value must be of the format '<header name>: <header value>'."}
		}
	}
	target := fields[1]
	if len(target) > 65_536 {
		return nil, &refusal{414, "0x80060888", "The URL is too long."}
	}
	switch {
	case strings.HasPrefix(target, "$"):
		target = "/" + target
	case !strings.HasPrefix(target, "/") && !strings.Contains(target, "://"): // relative to the batch
		target = rootOf(outer) + "/" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Host != "" && u.Host != outer.Host || !strings.HasPrefix(u.Path, "/") {
		return nil, &refusal{400, "0x80060888", "The URL of an operation cannot be used."}
	}
	if strings.HasSuffix(u.Path, "/$batch") {
		return nil, &refusal{400, "0x80048d19", "A batch cannot hold a batch."}
	}
	for _, name := range []string{callerID, callerObjectID} { // who writes is said once, for the whole batch
		if v := outer.Header.Get(name); v != "" && header.Get(name) == "" {
			header.Set(name, v)
		}
	}
	r := (&http.Request{
		Method: fields[0], URL: &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, Host: outer.Host,
		Header: http.Header(header), Body: io.NopCloser(bytes.NewReader(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(outer.Context())
	return r, nil
}

// answer is the response of an operation in a batch.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer {
	return &answer{header: http.Header{"Odata-Version": {"4.0"}}}
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// failure is the status of a refused operation, else 0.
func (a *answer) failure() int {
	if a.status >= 400 {
		return a.status
	}
	return 0
}

func (a *answer) writeTo(out *bytes.Buffer, id string) {
	out.WriteString("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n")
	if id != "" {
		fmt.Fprintf(out, "Content-ID: %s\r\n", id)
	}
	fmt.Fprintf(out, "\r\nHTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	if a.failure() != 0 {
		a.header.Set("Req_id", uuid.NewString())
	}
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		for _, v := range a.header[name] {
			fmt.Fprintf(out, "%s: %s\r\n", spelled(name), v)
		}
	}
	out.WriteString("\r\n")
	out.Write(a.body.Bytes())
	out.WriteString("\r\n")
}

// spelled writes the name of a header with the capitals that the service uses.
func spelled(name string) string {
	switch name {
	case "Odata-Version":
		return "OData-Version"
	case "Odata-Entityid":
		return "OData-EntityId"
	case "Req_id":
		return "REQ_ID"
	}
	return name
}
