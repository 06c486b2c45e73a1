package dataverse

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
)

// Table names a table to the bulk actions.
type Table struct {
	EntitySet, LogicalName, KeyColumn string
}

// Target is one row of a bulk action.
type Target struct {
	ID   string    // GUID; "" in a create for one of the service's
	Key  []KeyPart // instead of ID, in an upsert
	Body []byte    // JSON object of the columns to set, without the primary key
}

// CreateMultiple creates rows, with the ids given or the service's. The service
// carries out all or none and does not say which row was at fault: rows are
// halved until a refused one stands alone, so that each has a result of its own,
// at its place. The halves that are fine are written.
//
// The error is the failure that ended the call early: a fault, throttling, a
// cancellation. The rows it left open have it as their own, Ambiguous where they
// may have been written, Skipped where nothing was sent. How many rows to give
// at a time is the caller's choice; a thousand small ones are a beginning (§5.4).
//
// Source: Dataverse Web API, "Use bulk operation messages".
func (c *Client) CreateMultiple(ctx context.Context, t Table, rows []Target) ([]Result, error) {
	return c.multiple(ctx, OpCreate, t, rows)
}

// UpdateMultiple changes rows by id, as CreateMultiple creates them; one that
// does not exist is refused with ReasonNotFound.
func (c *Client) UpdateMultiple(ctx context.Context, t Table, rows []Target) ([]Result, error) {
	return c.multiple(ctx, OpUpdate, t, rows)
}

// UpsertMultiple creates or changes rows by id or alternate key, as
// CreateMultiple creates them. Results don't tell which rows were created.
func (c *Client) UpsertMultiple(ctx context.Context, t Table, rows []Target) ([]Result, error) {
	return c.multiple(ctx, OpUpsert, t, rows)
}

// SupportsMultiple says whether a table takes a bulk action.
func (c *Client) SupportsMultiple(ctx context.Context, kind OpKind, logicalName string) (bool, error) {
	message, ok := actions[kind]
	op := "look for bulk actions of " + logicalName
	if !ok || !setForm.MatchString(logicalName) {
		return false, unsendable(apierr.Blocked, apierr.ReasonConfig, op, "there is no such bulk action or table")
	}
	res, err := c.get(ctx, op, c.api+"/sdkmessagefilters?$select=sdkmessagefilterid&$filter="+
		escape("sdkmessageid/name eq '"+message+"' and primaryobjecttypecode eq '"+logicalName+"'"), "")
	if err != nil {
		return false, err
	}
	rows := gjson.GetBytes(res.Body, "value")
	if !gjson.ValidBytes(res.Body) || !rows.IsArray() {
		return false, badResponse(op, "want a list")
	}
	return len(rows.Array()) > 0, nil
}

var actions = map[OpKind]string{OpCreate: "CreateMultiple", OpUpdate: "UpdateMultiple", OpUpsert: "UpsertMultiple"}

// bulk is one call of a bulk action.
type bulk struct {
	c       *Client
	kind    OpKind
	t       Table
	op      string
	link    string
	targets [][]byte
	rows    []Target
	results []Result
	stopped error // why the rest is not sent
}

func (c *Client) multiple(ctx context.Context, kind OpKind, t Table, rows []Target) ([]Result, error) {
	op := string(kind) + " many of " + t.EntitySet
	if !setForm.MatchString(t.EntitySet) || !setForm.MatchString(t.LogicalName) || !setForm.MatchString(t.KeyColumn) {
		return nil, unsendable(apierr.Blocked, apierr.ReasonConfig, op, "want the table's entity set, logical name and primary key")
	}
	b := &bulk{c: c, kind: kind, t: t, op: op, rows: rows, results: make([]Result, len(rows)), targets: make([][]byte, len(rows)),
		link: c.api + "/" + t.EntitySet + "/Microsoft.Dynamics.CRM." + actions[kind]}
	open := make([]int, 0, len(rows))
	for i := range rows {
		target, bad := b.target(&rows[i])
		if bad != nil {
			b.results[i].Err = bad
			continue
		}
		b.targets[i] = target
		open = append(open, i)
	}
	b.send(ctx, open)
	return b.results, b.stopped
}

// target is a row as the action takes it: its type first, then its address.
func (b *bulk) target(row *Target) ([]byte, *apierr.Error) {
	add := `"@odata.type":"Microsoft.Dynamics.CRM.` + b.t.LogicalName + `"`
	drop := []KeyPart{{Column: b.t.KeyColumn}, {Column: "@odata.type"}, {Column: "@odata.id"}}
	switch {
	case row.ID != "":
		if !guidForm.MatchString(row.ID) {
			return nil, unsendable(apierr.Rejected, apierr.ReasonInvalidValue, b.op, "the row's id is not a GUID")
		}
		add += `,"` + b.t.KeyColumn + `":"` + strings.ToLower(row.ID) + `"`
	case b.kind == OpCreate:
	case b.kind == OpUpsert:
		path, bad := Row{EntitySet: b.t.EntitySet, Key: row.Key}.path(b.op)
		if bad != nil {
			return nil, bad
		}
		add += `,"@odata.id":` + string(gjson.AppendJSONString(nil, path))
		drop = append(drop, row.Key...)
	default:
		return nil, unsendable(apierr.Rejected, apierr.ReasonInvalidValue, b.op, "the row has no id")
	}
	return rowBody(b.op, row.Body, add, drop)
}

// send writes the rows at these places; what is refused as a whole is halved.
// Only refusals are: they were taken back for certain.
func (b *bulk) send(ctx context.Context, at []int) {
	if len(at) == 0 {
		return
	}
	if b.stopped != nil {
		for _, i := range at {
			b.results[i] = Result{Skipped: true, Err: skipped(b.op, "not sent, because an earlier part of the rows failed")}
		}
		return
	}
	fail := b.exchange(ctx, at)
	switch {
	case fail == nil:
	case fail.Class == apierr.Rejected && len(at) > 1:
		b.send(ctx, at[:len(at)/2])
		b.send(ctx, at[len(at)/2:])
	default:
		for _, i := range at {
			own := *fail
			b.results[i] = Result{Err: &own}
		}
		if fail.Class != apierr.Rejected && b.stopped == nil {
			b.stopped = fail
		}
	}
}

// exchange sends the rows in one request and fills their results in.
func (b *bulk) exchange(ctx context.Context, at []int) *apierr.Error {
	size := 16
	for _, i := range at {
		size += len(b.targets[i]) + 1
	}
	body := append(make([]byte, 0, size), `{"Targets":[`...)
	for n, i := range at {
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, b.targets[i]...)
	}
	body = append(body, "]}"...)
	res, err := b.c.send(ctx, b.op, http.MethodPost, b.link, nil, body, longestWritten)
	if err != nil {
		if ctx.Err() != nil {
			b.stopped = ctx.Err()
		}
		return whole(b.op, err)
	}
	want := http.StatusNoContent
	if b.kind == OpCreate {
		want = http.StatusOK
	}
	switch {
	case res.Status < 200 || res.Status >= 300:
		return b.c.failed(ctx, b.op, http.MethodPost, res, body)
	case res.Status != want:
		return unreadable(b.op, res, fmt.Sprintf("got status %d and %s, want %d", res.Status, res.Kind(), want))
	}
	if b.kind != OpCreate {
		for _, i := range at {
			b.results[i] = Result{ID: strings.ToLower(b.rows[i].ID)}
		}
		return nil
	}
	ids := gjson.GetBytes(res.Body, "Ids").Array()
	if !gjson.ValidBytes(res.Body) || len(ids) != len(at) {
		return unreadable(b.op, res, "want as many ids as rows")
	}
	for n, i := range at {
		id := strings.ToLower(ids[n].String())
		if !guidForm.MatchString(id) {
			return unreadable(b.op, res, "want ids that are GUIDs")
		}
		b.results[i] = Result{ID: id, Created: true}
	}
	return nil
}
