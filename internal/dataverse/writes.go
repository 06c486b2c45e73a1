package dataverse

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// Write is one write to one row.
type Write struct {
	Row  Row
	Body []byte // JSON object of the columns to set; none in a delete
	// IfMatch is a Change.Version: the write fails with ReasonConflict when the
	// row has changed since. "" asks for no version.
	IfMatch string
	// CreateOnly makes an upsert fail with ReasonExists when the row is there:
	// with an id of our own, it can be repeated safely after any failure (§5.2).
	CreateOnly bool
	// Return asks for these columns of the row as written, which costs the
	// service a read; KeyColumn is then the table's primary key.
	Return    []string
	KeyColumn string
}

// Result is what became of one write.
type Result struct {
	// ID is the row's GUID in lower case; "" when an alternate key addressed the
	// row and nothing was to be returned.
	ID      string
	Created bool   // known of a create, with CreateOnly and with Return
	Version string // as of Change; known with Return
	Raw     []byte // the row as written, with Return
	// Skipped says that a batch ended before the write, or took it back, because
	// of another one: it was not carried out. Err is then set.
	Skipped bool
	Err     *apierr.Error // nil: written; set in results of Batch and of the Multiple calls
}

// Create posts a new row. The id is the service's, or the one under the primary
// key in Body: ReasonExists when that is taken. A failure marked Ambiguous may
// have created the row; without an id of our own, don't repeat it blindly.
//
// Source: Dataverse Web API, "Create a table row".
func (c *Client) Create(ctx context.Context, w Write) (*Result, error) {
	return c.write(ctx, OpCreate, w)
}

// Update changes the columns in Body of an existing row; it never creates:
// ReasonNotFound when there is no such row.
//
// Source: Dataverse Web API, "Update and delete table rows".
func (c *Client) Update(ctx context.Context, w Write) (*Result, error) {
	return c.write(ctx, OpUpdate, w)
}

// Upsert updates a row or creates it. Columns of an alternate key that addresses
// the row are left out of Body, because the service wants them in one place only.
//
// Source: Dataverse Web API, "Use Upsert to create or update a record".
func (c *Client) Upsert(ctx context.Context, w Write) (*Result, error) {
	return c.write(ctx, OpUpsert, w)
}

// Delete removes a row; ReasonNotFound when there is none.
func (c *Client) Delete(ctx context.Context, w Write) error {
	_, err := c.write(ctx, OpDelete, w)
	return err
}

func (c *Client) write(ctx context.Context, kind OpKind, w Write) (*Result, error) {
	r, bad := w.request(kind)
	if bad == nil && w.Row.Reference != 0 {
		bad = unsendable(apierr.Blocked, apierr.ReasonConfig, r.op, "only a batch can refer to another write's row")
	}
	if bad != nil {
		return nil, bad
	}
	limit := int64(longestWritten)
	if r.returns() {
		limit = longestReturned
	}
	res, err := c.send(ctx, r.op, r.method, c.api+"/"+r.path, r.header, r.body, limit)
	if err != nil {
		return nil, err
	}
	result := c.outcome(ctx, r, res)
	if result.Err != nil {
		return nil, result.Err
	}
	return &result, nil
}

// OpKind is what a write does.
type OpKind string

// The writes there are.
const (
	OpCreate OpKind = "create"
	OpUpdate OpKind = "update"
	OpUpsert OpKind = "upsert"
	OpDelete OpKind = "delete"
)

// request is a write as it is sent, alone or as a part of a batch.
type request struct {
	op, method, path string // path below the API's root, or $n
	header           http.Header
	body             []byte
	kind             OpKind
	w                *Write
}

var versionForm = regexp.MustCompile(`^[0-9]+$`)

func (w *Write) request(kind OpKind) (*request, *apierr.Error) {
	r := &request{op: string(kind) + " one of " + w.Row.EntitySet, header: http.Header{}, kind: kind, w: w}
	path, bad := w.address(r.op, kind)
	if bad != nil {
		return nil, bad
	}
	switch kind {
	case OpCreate:
		r.method = http.MethodPost
	case OpDelete:
		r.method = http.MethodDelete
	default:
		r.method = http.MethodPatch
	}
	if bad := w.conditions(r); bad != nil {
		return nil, bad
	}
	if kind != OpDelete {
		var drop []KeyPart
		if kind == OpUpsert {
			drop = w.Row.Key
		}
		if r.body, bad = rowBody(r.op, w.Body, "", drop); bad != nil {
			return nil, bad
		}
		if len(w.Return) > 0 {
			if w.KeyColumn == "" {
				return nil, unsendable(apierr.Blocked, apierr.ReasonConfig, r.op, "a row to be returned needs its key column named")
			}
			path += "?$select=" + strings.Join(w.Return, ",")
			r.header["Prefer"] = []string{"return=representation"}
		}
	}
	r.path = path
	return r, nil
}

func (w *Write) address(op string, kind OpKind) (string, *apierr.Error) {
	switch {
	case kind != OpCreate && kind != OpUpdate && kind != OpUpsert && kind != OpDelete:
		return "", unsendable(apierr.Blocked, apierr.ReasonConfig, op, "there is no such write")
	case w.Row.Reference > 0 && (kind == OpUpdate || kind == OpDelete):
		return fmt.Sprintf("$%d", w.Row.Reference), nil // Batch checks it
	case kind != OpCreate:
		return w.Row.path(op)
	case w.Row.ID != "" || len(w.Row.Key) > 0:
		return "", unsendable(apierr.Blocked, apierr.ReasonConfig, op, "a create takes the row's id in its body, or is an upsert")
	case !setForm.MatchString(w.Row.EntitySet):
		return "", unsendable(apierr.Blocked, apierr.ReasonConfig, op, "the entity set is not a name")
	}
	return w.Row.EntitySet, nil
}

// conditions sets the headers that keep an update from creating, a create from
// updating, and either from overwriting what it has not seen.
func (w *Write) conditions(r *request) *apierr.Error {
	switch {
	case w.CreateOnly && (r.kind != OpUpsert || w.IfMatch != ""):
		return unsendable(apierr.Blocked, apierr.ReasonConfig, r.op, "only an upsert without a version can be told to create only")
	case w.IfMatch != "" && (r.kind == OpCreate || r.kind == OpUpsert):
		return unsendable(apierr.Blocked, apierr.ReasonConfig, r.op, "only an update or a delete can ask for a version")
	case w.IfMatch != "" && !versionForm.MatchString(w.IfMatch):
		return unsendable(apierr.Blocked, apierr.ReasonConfig, r.op, "the row's version is not a number")
	case w.CreateOnly:
		r.header["If-None-Match"] = []string{"*"}
	case w.IfMatch != "":
		r.header["If-Match"] = []string{`W/"` + w.IfMatch + `"`}
	case r.kind == OpUpdate:
		r.header["If-Match"] = []string{"*"}
	}
	return nil
}

// returns says that the row as written is to come back.
func (r *request) returns() bool { return len(r.w.Return) > 0 && r.kind != OpDelete }

// confirms says that a success is the one that the service gives to such a write
// (docs/protocol/dynamics.md §5.1): 204, or a row where one is to be returned.
func (r *request) confirms(status int) bool {
	switch {
	case !r.returns():
		return status == http.StatusNoContent
	case r.kind == OpCreate:
		return status == http.StatusCreated
	case r.kind == OpUpdate || r.w.IfMatch != "":
		return status == http.StatusOK
	}
	return status == http.StatusOK || status == http.StatusCreated
}

// outcome reads the answer to a write. A success that the service does not give to
// it, or that does not say what was created, is an ambiguous failure.
func (c *Client) outcome(ctx context.Context, r *request, res *transport.Response) Result {
	switch {
	case res.Status < 200 || res.Status >= 300:
		return Result{Err: c.refused(ctx, r, res)}
	case res.Page() || !r.confirms(res.Status):
		want := "want 204"
		if r.returns() {
			want = "want the row as written"
		}
		return Result{Err: unreadable(r.op, res, fmt.Sprintf("got status %d and %s, %s", res.Status, res.Kind(), want))}
	}
	link := res.Header.Get("OData-EntityId")
	if !r.w.Row.isNamedBy(link) {
		return Result{Err: unreadable(r.op, res, "the answer is about another row")}
	}
	c.odd.Ends(r.op)
	_, id := entityName(link)
	out := Result{ID: id}
	out.Created = res.Status == http.StatusCreated || res.Status == http.StatusNoContent && (r.kind == OpCreate || r.w.CreateOnly)
	if out.ID == "" {
		out.ID = strings.ToLower(r.w.Row.ID)
	}
	if r.returns() {
		change, ok := parseRow(res.Body, r.w.KeyColumn)
		if !ok || r.w.Row.ID != "" && change.Key != strings.ToLower(r.w.Row.ID) {
			return Result{Err: unreadable(r.op, res, "want the row as written, with its key")}
		}
		out.ID, out.Version, out.Raw = change.Key, change.Version, change.Raw
	}
	if r.kind == OpCreate && out.ID == "" {
		return Result{Err: unreadable(r.op, res, "want the id of the row that was created")}
	}
	return out
}

// refused classifies a refusal; older services give a failed version check no
// code of its own.
func (c *Client) refused(ctx context.Context, r *request, res *transport.Response) *apierr.Error {
	fail := c.failed(ctx, r.op, r.method, res, r.body)
	if fail.Status == http.StatusPreconditionFailed && fail.Code == "" && r.w.IfMatch != "" {
		conflict := rules["0x80060882"]
		fail.Class, fail.Reason, fail.Message = conflict.class, conflict.reason, conflict.message
	}
	return fail
}

// unreadable is the failure of a write that may well have happened.
func unreadable(op string, res *transport.Response, message string) *apierr.Error {
	e := badResponse(op, message)
	e.Ambiguous = true
	if res != nil {
		e.Status, e.RequestID = res.Status, requestID(res.Header)
	}
	return e
}
