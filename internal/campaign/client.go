// Package campaign is the client of the Adobe Campaign Standard REST API: the
// profile and custom resources, their metadata, and the IMS token. Requests are
// addressed by business key; a PKey never outlives the answer it came in,
// because it differs by context (campaign.md §4.1). Activities call it.
package campaign

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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
}

// New returns a Client; BaseURL must be absolute.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("campaign.url: got %q, want https://mc.adobe.io/<instance>", o.BaseURL)
	}
	return &Client{base: base, root: strings.TrimRight(o.BaseURL, "/") + "/campaign", key: o.APIKey, t: o.Transport}, nil
}

// Resource is a resource and the API that serves it.
type Resource struct {
	API  string // profileAndServicesExt, profileAndServices or customResources
	Name string // profile, cusVehicle
}

func (r Resource) path() string { return "/" + r.API + "/" + r.Name }

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
	res, err := c.do(ctx, op, http.MethodGet, c.keyURL(r, key), nil)
	if err != nil {
		return nil, err
	}
	return parseStored(op, res.Body)
}

// parseStored accepts the object itself or wrapped in content[0] (§4.2).
func parseStored(op string, body []byte) (*Stored, error) {
	doc := gjson.ParseBytes(body)
	if inner := doc.Get("content.0"); inner.IsObject() {
		doc = inner
	}
	if !gjson.ValidBytes(body) || !doc.IsObject() {
		return nil, badResponse(op, "want a JSON object")
	}
	return &Stored{
		PKey: doc.Get("PKey").String(), Href: doc.Get("href").String(), Raw: []byte(doc.Raw),
		Created: doc.Get("created").String(), LastModified: doc.Get("lastModified").String(),
	}, nil
}

// Create posts a new record. ReasonExists when the business key is taken. A
// failure marked Ambiguous may have created it: read by key before trying again.
func (c *Client) Create(ctx context.Context, r Resource, body []byte) error {
	res, err := c.do(ctx, "create "+r.Name, http.MethodPost, c.root+r.path(), body)
	if err != nil {
		return err
	}
	if res.Status != http.StatusCreated && res.Status != http.StatusOK {
		return badResponse("create "+r.Name, fmt.Sprintf("got status %d, want 201", res.Status))
	}
	return nil
}

// Patch changes the fields in body; the others keep their values.
// ReasonNotFound when there is no record with the key.
func (c *Client) Patch(ctx context.Context, r Resource, key string, body []byte) error {
	_, err := c.do(ctx, "update "+r.Name, http.MethodPatch, c.keyURL(r, key), body)
	return err
}

// Delete removes a record; ReasonNotFound when there is none. It is a regular
// delete, not a privacy delete (R14.3).
func (c *Client) Delete(ctx context.Context, r Resource, key string) error {
	_, err := c.do(ctx, "delete "+r.Name, http.MethodDelete, c.keyURL(r, key), nil)
	return err
}

// ListOptions select records of a resource.
type ListOptions struct {
	Filter string            // path segment such as byExternalId; "" = all
	Params map[string]string // of the filter
	Lines  int               // page size; 0 = Campaign's default of 25
}

// Page is one page of a list.
type Page struct {
	Records [][]byte // JSON objects
	Next    string   // link to the next page; "" on the last
}

// List reads the first page. Large tables page only when asked to (§4.6).
func (c *Client) List(ctx context.Context, r Resource, o ListOptions) (*Page, error) {
	link := c.root + r.path()
	if o.Filter != "" {
		link += "/" + url.PathEscape(o.Filter)
	}
	query := []string{"_forcePagination=true"}
	if o.Lines > 0 {
		query = append(query, fmt.Sprintf("_lineCount=%d", o.Lines))
	}
	for name, value := range o.Params {
		query = append(query, escape(name)+"="+escape(value))
	}
	return c.page(ctx, r, link+"?"+strings.Join(query, "&"))
}

// Follow reads the page behind a Next link, passed back as it came.
func (c *Client) Follow(ctx context.Context, r Resource, link string) (*Page, error) {
	if _, err := transport.SameOrigin(c.base, link); err != nil {
		return nil, err
	}
	if !strings.Contains(link, "_forcePagination=") {
		link += "&_forcePagination=true"
	}
	return c.page(ctx, r, link)
}

func (c *Client) page(ctx context.Context, r Resource, link string) (*Page, error) {
	op := "list " + r.Name
	res, err := c.do(ctx, op, http.MethodGet, link, nil)
	if err != nil {
		return nil, err
	}
	doc := gjson.ParseBytes(res.Body)
	content := doc.Get("content")
	if !gjson.ValidBytes(res.Body) || !content.IsArray() {
		return nil, badResponse(op, "want a list with content")
	}
	page := &Page{Next: doc.Get("next.href").String()}
	content.ForEach(func(_, v gjson.Result) bool {
		page.Records = append(page.Records, []byte(v.Raw))
		return true
	})
	return page, nil
}

func (c *Client) keyURL(r Resource, key string) string {
	return c.root + r.path() + "/" + url.PathEscape(key)
}

// escape encodes for a query: %20, never + (§4.6).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// do sends one request and classifies what is not a success.
func (c *Client) do(ctx context.Context, op, method, link string, body []byte) (*transport.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, link, nil)
	if err != nil {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: service, Op: op, Message: "the address cannot be used"}
	}
	if body != nil {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
	req.Header["X-Api-Key"] = []string{c.key}
	req.Header["Cache-Control"] = []string{"no-cache"}
	req.Header["Content-Type"] = []string{"application/json"}
	res, err := c.t.Do(ctx, op, req)
	if err != nil {
		return nil, err
	}
	if res.Status >= 200 && res.Status < 300 {
		return res, nil
	}
	fail := parseError(op, method, res)
	if fail.Class == apierr.Throttled && c.t.Gate() != nil {
		c.t.Gate().Close(fail.RetryAfter)
	}
	return nil, fail
}

func badResponse(op, message string) error {
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonBadResponse, Service: service, Op: op, Message: message, Ambiguous: true}
}
