// Package campaign is the client of the Adobe Campaign Standard REST API: the
// profile and custom resources, their metadata, and the IMS token. Requests are
// addressed by business key; a PKey never outlives the answer it came in,
// because it differs by context (docs/protocol/campaign.md §4.1). Activities call it.
package campaign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

const service = "campaign"

// Options of a Client.
type Options struct {
	BaseURL   string // https://mc.adobe.io/<instance>
	APIKey    string // client id, sent as X-Api-Key
	Transport *transport.Client
}

// Client calls one Campaign instance.
type Client struct {
	base *url.URL
	root string // BaseURL + /campaign
	key  string
	t    *transport.Client

	// unhinted counts the 429s in a row that did not say how long to wait.
	unhinted atomic.Int32
	odd      transport.Patience
}

// New returns a Client. BaseURL must be https, because tokens travel, and have
// neither user nor query.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("campaign.url: got %s, want https://mc.adobe.io/<instance>", shape(base))
	}
	if o.Transport == nil {
		return nil, errors.New("campaign: got no transport, want one")
	}
	c := &Client{base: base, root: strings.TrimRight(o.BaseURL, "/") + "/campaign", key: o.APIKey, t: o.Transport}
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

// Resource is a resource and the API that serves it.
type Resource struct {
	API  string // profileAndServicesExt, profileAndServices or customResources
	Name string // profile, cusVehicle
	Key  string // the field with the business key; "" where nothing is created
}

func (r Resource) path() string { return "/" + url.PathEscape(r.API) + "/" + url.PathEscape(r.Name) }

// Stored is one record as Campaign holds it. PKey and Href are good for the
// operation at hand only.
type Stored struct {
	PKey, Href            string
	Raw                   []byte // the JSON object
	Created, LastModified string // "2019-09-25 23:20:35.000Z", "" when not sent
}

// Get reads a record by business key; ReasonNotFound when there is none.
func (c *Client) Get(ctx context.Context, r Resource, key string) (*Stored, error) {
	op := "get " + r.Name
	link, err := c.keyURL(op, r, key)
	if err != nil {
		return nil, err
	}
	res, err := c.do(ctx, call{op: op, method: http.MethodGet, link: link, about: []string{key}})
	if err != nil {
		return nil, err
	}
	stored, err := parseStored(op, res.Body)
	if err == nil && stored.PKey == "" {
		return nil, badResponse(op, "want a record with its PKey")
	}
	return stored, err
}

// parseStored accepts the object itself or wrapped in content[0] (§4.2). An
// empty content means that there is no such record.
func parseStored(op string, body []byte) (*Stored, error) {
	doc := gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) || !doc.IsObject() {
		return nil, badResponse(op, "want a JSON object")
	}
	if content := doc.Get("content"); content.IsArray() {
		rows := content.Array()
		if len(rows) == 0 {
			return nil, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonNotFound, Service: service, Op: op,
				Status: http.StatusOK, Message: "there is no record with this key"}
		}
		if doc = rows[0]; !doc.IsObject() {
			return nil, badResponse(op, "want a record in content")
		}
	}
	return &Stored{
		PKey: doc.Get("PKey").String(), Href: doc.Get("href").String(), Raw: []byte(doc.Raw),
		Created: doc.Get("created").String(), LastModified: doc.Get("lastModified").String(),
	}, nil
}

// Create posts a new record. ReasonExists when the business key is taken. A
// failure marked Ambiguous may have created it: read by key before trying again.
func (c *Client) Create(ctx context.Context, r Resource, body []byte) error {
	op := "create " + r.Name
	res, err := c.do(ctx, call{op: op, method: http.MethodPost, link: c.root + r.path(), body: body})
	if err != nil {
		return err
	}
	if res.Status != http.StatusCreated || !holds(res.Body, "PKey") {
		return unconfirmed(op, res, "want 201 and the record with its PKey")
	}
	key := textOf(body, r.Key)
	if href := textOf(res.Body, "href"); href != "" && !r.isNamedBy(href, key) || !sameKey(key, textOf(res.Body, r.Key)) {
		return unconfirmed(op, res, "the answer is about another record")
	}
	return nil
}

// Patch changes the fields in body; the others keep their values.
// ReasonNotFound when there is no record with the key.
func (c *Client) Patch(ctx context.Context, r Resource, key string, body []byte) error {
	op := "update " + r.Name
	link, err := c.keyURL(op, r, key)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, call{op: op, method: http.MethodPatch, link: link, body: body, about: []string{key}})
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK || !holds(res.Body, "PKey", "href") {
		return unconfirmed(op, res, "want 200 with the record's PKey and href")
	}
	if !r.isNamedBy(textOf(res.Body, "href"), key) {
		return unconfirmed(op, res, "the answer is about another record")
	}
	return nil
}

// Delete removes a record; ReasonNotFound when there is none. It is a regular
// delete, not a privacy delete (R14.3). What Campaign says to a delete is not
// documented: an empty success is believed, and of any other the record must be
// gone when it is read.
func (c *Client) Delete(ctx context.Context, r Resource, key string) error {
	op := "delete " + r.Name
	link, err := c.keyURL(op, r, key)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, call{op: op, method: http.MethodDelete, link: link, about: []string{key}})
	if err != nil {
		return err
	}
	switch {
	case res.Page():
		return unconfirmed(op, res, "want no page")
	case len(bytes.TrimSpace(res.Body)) == 0:
		return nil
	}
	switch _, err := c.Get(ctx, r, key); {
	case err == nil:
		return unconfirmed(op, res, "the record is still there")
	case apierr.ReasonOf(err) == apierr.ReasonNotFound:
		return nil
	default:
		if e, ok := errors.AsType[*apierr.Error](err); ok {
			e.Ambiguous = true
		}
		return err
	}
}

// keyURL addresses a record. Keys that would address something else are refused:
// without one, the request would reach the whole collection.
func (c *Client) keyURL(op string, r Resource, key string) (string, error) {
	if key == "" || key == "." || key == ".." {
		return "", &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonInvalidValue, Service: service, Op: op,
			Message: "the record's key is empty or a path of its own, want a business key"}
	}
	return c.root + r.path() + "/" + url.PathEscape(key), nil
}

// call is one request.
type call struct {
	op, method, link string
	body             []byte
	about            []string // values in the link; errors are not to hold them, nor those in body
}

// longestWritten is how much is read of an answer to a write: it holds one
// record at most.
const longestWritten = 1 << 20

// do sends one request and classifies what is not a success.
func (c *Client) do(ctx context.Context, r call) (*transport.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.link, nil)
	if err != nil {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: service, Op: r.op, Message: "the address cannot be used"}
	}
	if r.body != nil {
		req.ContentLength = int64(len(r.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.body)), nil }
		req.Body, _ = req.GetBody()
	}
	req.Header["X-Api-Key"] = []string{c.key}
	req.Header["Cache-Control"] = []string{"no-cache"}
	req.Header["Content-Type"] = []string{"application/json"}
	limit := int64(longestWritten)
	if r.method == http.MethodGet {
		limit = math.MaxInt64
	}
	res, err := c.t.DoUpTo(ctx, r.op, req, limit)
	if err != nil {
		return nil, err
	}
	if res.Status >= 200 && res.Status < 300 {
		if c.unhinted.Load() != 0 {
			c.unhinted.Store(0)
		}
		read := r.method == http.MethodGet
		if (!read || res.Status == http.StatusOK) && !res.Page() {
			c.odd.Ends(r.op)
			return res, nil
		}
		fail := badResponse(r.op, fmt.Sprintf("got status %d and %s, want 200 and JSON", res.Status, res.Kind()))
		c.odd.Lasts(r.op, fail.Message) // it is told of; it may last
		if read {
			return nil, fail
		}
		return res, nil
	}
	fail := parseError(r.op, r.method, res, slices.Concat(transport.Values(r.body), r.about, apierr.ValuesOf(ctx))...)
	switch {
	case !fail.Odd():
		c.odd.Ends(r.op)
	case c.odd.Lasts(r.op, fail.Message):
		fail.Class, fail.Lasted = apierr.Blocked, true
	}
	if fail.Class == apierr.Throttled {
		c.close(fail, res.Header)
	}
	return nil, fail
}

// close keeps everything that uses the credential from sending. A service that
// does not say how long is given 1 s, 2 s, 4 s, up to a minute, somewhat
// spread, until a request succeeds (§5.2).
func (c *Client) close(fail *apierr.Error, h http.Header) {
	gate := c.t.Gate()
	if _, hinted := transport.RetryAfter(h); !hinted && fail.Reason == apierr.ReasonThrottled {
		n := c.unhinted.Load()
		if gate == nil || gate.Err(service, fail.Op) == nil { // answers to one volley count once
			n = c.unhinted.Add(1)
		}
		wait := min(defaultWait<<min(max(n, 1)-1, 6), time.Minute)
		fail.RetryAfter = wait - time.Duration(rand.Int64N(int64(wait/4)))
	}
	if gate != nil {
		gate.Close(fail.RetryAfter)
	}
}
