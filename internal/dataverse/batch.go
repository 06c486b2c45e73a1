package dataverse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// maxBatch is the service's limit of operations in a batch.
const maxBatch = 1000

// Operation is one write of a batch.
type Operation struct {
	Kind OpKind
	Write
	// ChangeSet groups neighbours with the same number, other than 0, into one
	// transaction. A body may bind a row that an earlier operation of the set
	// creates: "x@odata.bind": "$n", n its place in the batch, from 1.
	ChangeSet int
}

// BatchOptions of one batch.
type BatchOptions struct {
	// ContinueOnError carries out what follows a failed operation. The service
	// is said to skip later change sets all the same (docs/protocol/dynamics.md §5.5).
	ContinueOnError bool
}

// Batch sends up to 1,000 writes in one request. There is one result for each
// operation, at its place, with an Err of its own when it was not carried out
// or nobody knows: Skipped when it was not, Ambiguous when it may have been. The
// failure of one operation of a change set is the failure of all.
//
// The error is the failure that kept operations from being answered: of the
// batch as a whole, or of reading the answer. It is nil when every operation has
// its answer, good or bad. An operation that cannot be sent keeps its batch from
// being sent.
//
// Source: Dataverse Web API, "Execute batch operations using the Web API".
func (c *Client) Batch(ctx context.Context, ops []Operation, o BatchOptions) ([]Result, error) {
	const op = "batch"
	if len(ops) == 0 {
		return nil, nil
	}
	b, bad := c.newBatch(op, ops)
	if bad != nil {
		results := make([]Result, len(ops))
		for i := range results {
			results[i] = Result{Skipped: true, Err: skipped(op, "not sent: an operation of the batch cannot be sent")}
		}
		if b != nil {
			results[b.at] = Result{Err: bad}
		}
		return results, bad
	}
	body := b.body("batch_"+uuid.NewString(), "changeset_"+uuid.NewString())
	h := http.Header{"Content-Type": {`multipart/mixed; boundary="` + b.boundary + `"`}}
	if o.ContinueOnError {
		h["Prefer"] = []string{"odata.continue-on-error"}
	}
	res, err := c.send(ctx, op, http.MethodPost, c.api+"/$batch", h, body, longestReturned)
	if err != nil {
		return b.all(whole(op, err)), err
	}
	return c.answers(ctx, b, res, o.ContinueOnError)
}

// batch is the operations as requests, in units: an operation, or a change set.
type batch struct {
	op       string
	root     string // path of the API on its host
	boundary string
	requests []*request
	units    [][]int // places of requests
	at       int     // the operation that cannot be sent
}

func (c *Client) newBatch(op string, ops []Operation) (*batch, *apierr.Error) {
	if len(ops) > maxBatch {
		return nil, unsendable(apierr.Blocked, apierr.ReasonConfig, op, fmt.Sprintf("got %d operations, want up to %d", len(ops), maxBatch))
	}
	root, err := url.Parse(c.api)
	if err != nil {
		return nil, unsendable(apierr.Blocked, apierr.ReasonConfig, op, "the address cannot be used")
	}
	b := &batch{op: op, root: root.EscapedPath()}
	for i := range ops {
		o := &ops[i]
		b.at = i
		r, bad := o.request(o.Kind)
		if bad != nil {
			return b, bad
		}
		last := len(b.units) - 1
		if o.ChangeSet != 0 && i > 0 && ops[i-1].ChangeSet == o.ChangeSet {
			b.units[last] = append(b.units[last], i)
		} else {
			b.units = append(b.units, []int{i})
			last++
		}
		if n := o.Row.Reference; n != 0 && (o.ChangeSet == 0 || !slices.Contains(b.units[last], n-1) || n-1 >= i) {
			return b, unsendable(apierr.Blocked, apierr.ReasonConfig, r.op, "a reference leads to no earlier operation of the change set")
		}
		b.requests = append(b.requests, r)
	}
	return b, nil
}

// isSet says that unit goes out as a change set; a single operation doesn't, as
// it is a transaction of its own.
func (b *batch) isSet(unit []int) bool { return len(unit) > 1 }

// body writes the batch with CRLF throughout, the last line included: the
// service cannot read it otherwise.
func (b *batch) body(boundary, set string) []byte {
	b.boundary = boundary
	size := 0
	for _, r := range b.requests {
		size += len(r.body) + 512
	}
	out := make([]byte, 0, size)
	line := func(s ...string) {
		for _, p := range s {
			out = append(out, p...)
		}
		out = append(out, "\r\n"...)
	}
	part := func(i int, boundary string, inSet bool) {
		r := b.requests[i]
		line("--", boundary)
		line("Content-Type: application/http")
		line("Content-Transfer-Encoding: binary")
		if inSet {
			line("Content-ID: ", strconv.Itoa(i+1))
		}
		line()
		target := r.path
		if !strings.HasPrefix(target, "$") {
			target = b.root + "/" + target
		}
		line(r.method, " ", target, " HTTP/1.1")
		if r.body != nil {
			line("Content-Type: application/json; type=entry")
		}
		for _, name := range []string{"If-Match", "If-None-Match", "Prefer"} {
			if v := r.header[name]; len(v) > 0 {
				line(name, ": ", v[0])
			}
		}
		line()
		line(string(r.body))
	}
	for n, unit := range b.units {
		if !b.isSet(unit) {
			part(unit[0], boundary, false)
			continue
		}
		own := set + "_" + strconv.Itoa(n)
		line("--", boundary)
		line(`Content-Type: multipart/mixed; boundary="`, own, `"`)
		line()
		for _, i := range unit {
			part(i, own, true)
		}
		line("--", own, "--")
		line()
	}
	line("--", boundary, "--")
	return out
}

// all gives every operation the same failure.
func (b *batch) all(fail *apierr.Error) []Result {
	results := make([]Result, len(b.requests))
	for i := range results {
		own := *fail
		results[i].Err = &own
	}
	return results
}

func (b *batch) bodies() [][]byte {
	out := make([][]byte, len(b.requests))
	for i, r := range b.requests {
		out[i] = r.body
	}
	return out
}

// whole is the failure of a request as each of its operations has it. Of a call
// that was given up nobody knows whether the service carried it out.
func whole(op string, err error) *apierr.Error {
	if e, ok := errors.AsType[*apierr.Error](err); ok {
		return e
	}
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: service, Op: op,
		Message: "given up before the answer came", Ambiguous: true, Err: err}
}

// skipped is the failure of a write that the service did not carry out, or took
// back, because of another one.
func skipped(op, message string) *apierr.Error {
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonRefused, Service: service, Op: op, Message: message}
}

// answers reads the answer to a batch.
func (c *Client) answers(ctx context.Context, b *batch, res *transport.Response, continued bool) ([]Result, error) {
	boundary, ok := multipartBoundary(res.Header.Get("Content-Type"))
	if !ok {
		var fail *apierr.Error
		if res.Status >= 200 && res.Status < 300 {
			fail = unreadable(b.op, res, "want a multipart answer")
		} else {
			fail = c.failed(ctx, b.op, http.MethodPost, res, b.bodies()...)
		}
		return b.all(fail), fail
	}
	parts, complete := splitAnswer(boundary, res.Body)
	results := make([]Result, len(b.requests))
	for n, unit := range b.units {
		if n < len(parts) {
			c.answerUnit(ctx, b, unit, parts[n], results)
			continue
		}
		if complete && !continued && len(parts) > 0 && endedBy(results, b.units[len(parts)-1]) {
			for _, i := range unit {
				results[i] = Result{Skipped: true, Err: skipped(b.requests[i].op, "not carried out, because an earlier operation of the batch failed")}
			}
			continue
		}
		for _, i := range unit {
			results[i].Err = unreadable(b.requests[i].op, res, "the batch's answer ends before this operation's")
		}
	}
	for i := range results {
		if e := results[i].Err; e != nil && e.Reason == apierr.ReasonBadResponse {
			return results, e
		}
	}
	return results, nil
}

// endedBy says that the last unit to be answered was refused, which ends a
// batch that does not continue on errors.
func endedBy(results []Result, unit []int) bool {
	for _, i := range unit {
		if e := results[i].Err; e != nil && e.Reason != apierr.ReasonBadResponse {
			return true
		}
	}
	return false
}

// unauthorized is the failure of an operation whose token was refused, though the
// batch came in with it: it ran out meanwhile, or was taken back. The next request
// brings another. Nothing was carried out.
func unauthorized(op string, res *transport.Response) *apierr.Error {
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonCredentials, Service: service, Op: op, Status: res.Status,
		RequestID: requestID(res.Header), Message: "the token was refused within a batch"}
}

// answerUnit gives the operations of a unit their part of the answer.
func (c *Client) answerUnit(ctx context.Context, b *batch, unit []int, p answerPart, results []Result) {
	if p.nested == nil && b.isSet(unit) {
		c.answerSet(ctx, b, unit, p, results)
		return
	}
	replies := []answerPart{p}
	if p.nested != nil {
		replies = p.nested
	}
	answered := make(map[int]bool, len(unit))
	for n, reply := range replies {
		i := reply.place(unit, n)
		if i < 0 || answered[i] {
			continue
		}
		if reply.res == nil {
			continue
		}
		answered[i] = true
		if reply.res.Status == http.StatusUnauthorized {
			results[i].Err = unauthorized(b.requests[i].op, reply.res)
			continue
		}
		results[i] = c.outcome(ctx, b.requests[i], reply.res)
	}
	for _, i := range unit {
		if !answered[i] {
			results[i].Err = unreadable(b.requests[i].op, nil, "the batch's answer cannot be read at this operation")
		}
	}
}

// answerSet reads the one reply that stands for a change set: its failure.
func (c *Client) answerSet(ctx context.Context, b *batch, unit []int, p answerPart, results []Result) {
	culprit := -1
	if p.contentID != 0 && slices.Contains(unit, p.contentID-1) {
		culprit = p.contentID - 1
	}
	for _, i := range unit {
		r := b.requests[i]
		switch {
		case p.res != nil && p.res.Status == http.StatusUnauthorized:
			results[i].Err = unauthorized(r.op, p.res)
		case p.res == nil, p.res.Status < 300:
			results[i].Err = unreadable(r.op, p.res, "want an answer for each operation of the change set")
		case culprit >= 0 && culprit != i:
			results[i] = Result{Skipped: true, Err: skipped(r.op, "taken back, because another operation of the change set failed")}
		default:
			results[i].Err = c.refused(ctx, r, p.res)
		}
	}
}
