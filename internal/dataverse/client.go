// Package dataverse is the client of the Dataverse Web API (Dynamics 365):
// change-tracked reads, queries, metadata, writes one by one and in bulk, and the
// Entra ID token (docs/protocol/dynamics.md). Links are passed back as they came.
// Activities call it.
package dataverse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const service = "dataverse"

// maxConcurrent stays below the service's limit of 52 requests at a time.
const maxConcurrent = 52

// Options of a Client.
type Options struct {
	OrgURL    string // https://acme.crm4.dynamics.com
	Transport *transport.Client
	PageSize  int // rows per page, at least 1
}

// Client reads and writes one Dataverse organisation.
type Client struct {
	base     *url.URL
	api      string
	t        *transport.Client
	pageSize int
	odd      transport.Patience
}

// New returns a Client. OrgURL must be https, because tokens travel, and have
// neither user nor query.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.OrgURL)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("dynamics.url: got %s, want https://<organisation>.crm<n>.dynamics.com", shape(base))
	}
	if o.Transport == nil {
		return nil, errors.New("dataverse: got no transport, want one")
	}
	if o.PageSize < 1 {
		return nil, fmt.Errorf("dataverse: got a page size of %d, want at least 1", o.PageSize)
	}
	c := &Client{base: base, api: strings.TrimRight(o.OrgURL, "/") + "/api/data/v9.2", t: o.Transport, pageSize: o.PageSize}
	c.odd.ToldTo(o.Transport.Watch(), service)
	return c, nil
}

// shape is what may be shown of an address that may hold a secret.
func shape(u *url.URL) string {
	switch {
	case u == nil:
		return "an address that cannot be read"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "an address with a user, a query or a fragment"
	}
	return strconv.Quote(u.String())
}

// Identity is the application user and what the service says of itself.
type Identity struct {
	UserID, OrganizationID, BusinessUnitID string
	ServerTime                             time.Time // the service's clock; zero when it did not say
	DOPHint                                int       // recommended requests in flight; 0 when not given
}

// WhoAmI identifies the caller; it is the cheapest call there is.
func (c *Client) WhoAmI(ctx context.Context) (*Identity, error) {
	const op = "who am I"
	res, err := c.get(ctx, op, c.api+"/WhoAmI", "")
	if err != nil {
		return nil, err
	}
	doc := gjson.ParseBytes(res.Body)
	me := &Identity{
		UserID: doc.Get("UserId").String(), OrganizationID: doc.Get("OrganizationId").String(),
		BusinessUnitID: doc.Get("BusinessUnitId").String(), ServerTime: serverTime(res.Header),
	}
	if me.UserID == "" {
		return nil, badResponse(op, "want a UserId")
	}
	me.DOPHint, _ = strconv.Atoi(res.Header.Get("x-ms-dop-hint"))
	if l := c.t.Limiter(); l != nil && me.DOPHint > 0 {
		l.SetTarget(min(me.DOPHint, maxConcurrent))
	}
	return me, nil
}

// Count counts the rows a filter selects; the service stops at 5,000.
func (c *Client) Count(ctx context.Context, entitySet, filter string) (int64, error) {
	link := c.api + "/" + entitySet + "/$count"
	if filter != "" {
		link += "?$filter=" + escape(filter)
	}
	res, err := c.get(ctx, "count "+entitySet, link, "")
	if err != nil {
		return 0, err
	}
	text := strings.TrimPrefix(strings.TrimSpace(string(res.Body)), "\ufeff")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badResponse("count "+entitySet, "want a number")
	}
	return n, nil
}

// TotalRecordCount is the size of a table, from a snapshot up to a day old.
func (c *Client) TotalRecordCount(ctx context.Context, logicalName string) (int64, error) {
	op := "count all " + logicalName
	res, err := c.get(ctx, op, c.api+"/RetrieveTotalRecordCount(EntityNames=@p1)?@p1="+escape(`["`+logicalName+`"]`), "")
	if err != nil {
		return 0, err
	}
	n := gjson.GetBytes(res.Body, "EntityRecordCountCollection.Values.0")
	if n.Type != gjson.Number {
		return 0, badResponse(op, "want a count")
	}
	return n.Int(), nil
}

// TrackingWindow is how many days a delta link lives.
func (c *Client) TrackingWindow(ctx context.Context) (int, error) {
	const op = "read the change tracking window"
	res, err := c.get(ctx, op, c.api+"/organizations?$select=expirechangetrackingindays", "")
	if err != nil {
		return 0, err
	}
	days := gjson.GetBytes(res.Body, "value.0.expirechangetrackingindays")
	if days.Type != gjson.Number {
		return 0, badResponse(op, "want expirechangetrackingindays")
	}
	return int(days.Int()), nil
}

// get sends one GET; prefer may be "".
func (c *Client) get(ctx context.Context, op, link, prefer string) (*transport.Response, error) {
	return c.getAs(ctx, op, link, prefer, asItIs)
}

// getAs is get with a judgement of its own on refusals.
func (c *Client) getAs(ctx context.Context, op, link, prefer string, judge judgement) (*transport.Response, error) {
	h := http.Header{"If-None-Match": {"null"}} // or expanded collections come from a cache
	if prefer != "" {
		h["Prefer"] = []string{prefer}
	}
	res, err := c.send(ctx, op, http.MethodGet, link, h, nil, math.MaxInt64)
	switch {
	case err != nil:
		return nil, err
	case res.Status != http.StatusOK && (res.Status < 200 || res.Status >= 300):
		return nil, c.weighed(judge(parseError(op, http.MethodGet, res, apierr.ValuesOf(ctx)...)))
	case res.Status != http.StatusOK || res.Page():
		return nil, badResponse(op, fmt.Sprintf("got status %d and %s, want 200 and JSON", res.Status, res.Kind()))
	}
	return res, nil
}

// How much is read of an answer: to one write or a bulk action, and to a batch or
// a write that returns the row.
const (
	longestWritten  = 1 << 20
	longestReturned = 16 << 20
)

// send makes one exchange; own is added to the headers every request has. Any
// status is an answer. No more than limit bytes of it are read.
func (c *Client) send(ctx context.Context, op, method, link string, own http.Header, body []byte, limit int64) (*transport.Response, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body) // gives the body again after a 401
	}
	req, err := http.NewRequestWithContext(ctx, method, link, reader)
	if err != nil {
		return nil, unsendable(apierr.Blocked, apierr.ReasonConfig, op, "the address cannot be used")
	}
	req.Header = http.Header{
		"Accept": {"application/json"}, "Odata-Version": {"4.0"}, "Odata-Maxversion": {"4.0"}, "User-Agent": {"causeway"},
	}
	if body != nil {
		req.Header["Content-Type"] = []string{"application/json; charset=utf-8"}
	}
	maps.Copy(req.Header, own)
	res, err := c.t.DoUpTo(ctx, op, req, limit)
	switch {
	case err != nil || res.Status < 200 || res.Status >= 300:
	case res.Page():
		c.odd.Lasts(op, fmt.Sprintf("got status %d and %s", res.Status, res.Kind())) // it is told of; it may last
	default:
		c.odd.Ends(op)
	}
	return res, err
}

// failed classifies an answer, or a part of a batch's, and closes the gate when
// the service is throttling, or down for a while. sent are the bodies of what it
// answers. What ctx knows of the rows is masked as well.
func (c *Client) failed(ctx context.Context, op, method string, res *transport.Response, sent ...[]byte) *apierr.Error {
	return c.weighed(parseError(op, method, res, append(valuesOf(sent), apierr.ValuesOf(ctx)...)...))
}

// weighed makes an odd answer one for an operator when it lasts.
func (c *Client) weighed(fail *apierr.Error) *apierr.Error {
	switch op := fail.Op; {
	case !fail.Odd():
		c.odd.Ends(op)
	case c.odd.Lasts(op, fail.Message):
		fail.Class, fail.Lasted = apierr.Blocked, true
	}
	if fail.RetryAfter > 0 && c.t.Gate() != nil {
		c.t.Gate().Close(fail.RetryAfter)
	}
	return fail
}

func serverTime(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// escape encodes a query value: %20, never +, and everything with a meaning of its own.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func badResponse(op, message string) *apierr.Error {
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonBadResponse, Service: service, Op: op, Message: message}
}

// unsendable is the failure of a call that was not sent.
func unsendable(class apierr.Class, reason, op, message string) *apierr.Error {
	return &apierr.Error{Class: class, Reason: reason, Service: service, Op: op, Message: message}
}
