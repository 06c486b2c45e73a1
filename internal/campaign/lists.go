package campaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// ListOptions select records of a resource.
type ListOptions struct {
	Filter string            // path segment such as byExternalId; "" = all
	Params map[string]string // of the filter
	Order  string            // sortable field, "email desc" for descending; "" = Campaign's order
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
	if o.Order != "" {
		query = append(query, "_order="+escape(o.Order))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		query = append(query, escape(name)+"="+escape(o.Params[name]))
	}
	return c.page(ctx, r, link+"?"+strings.Join(query, "&"), slices.Collect(maps.Values(o.Params))...)
}

// Follow reads the page behind a Next link, passed back as it came, with
// _forcePagination where the link has lost it. ReasonForeignLink when it leads
// to another host, ReasonLinkRepeated when a page would follow itself for ever.
func (c *Client) Follow(ctx context.Context, r Resource, link string) (*Page, error) {
	if _, err := transport.SameOrigin(c.base, link); err != nil {
		if e, ok := errors.AsType[*apierr.Error](err); ok {
			e.Service, e.Op = service, "list "+r.Name
		}
		return nil, err
	}
	return c.page(ctx, r, forced(link))
}

// page reads one page. One that names itself as the next is read once more, as
// that may have come from a cache; when it does so again, it would do so for ever.
func (c *Client) page(ctx context.Context, r Resource, link string, about ...string) (*Page, error) {
	op := "list " + r.Name
	for try := 1; ; try++ {
		res, err := c.do(ctx, call{op: op, method: http.MethodGet, link: link, about: about})
		if err != nil {
			return nil, err
		}
		page, err := parsePage(op, res.Body)
		switch {
		case err != nil:
			return nil, err
		case page.Next == "" || forced(page.Next) != forced(link):
			return page, nil
		case try > 1:
			return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonLinkRepeated, Service: service, Op: op, Status: res.Status,
				Message: "a page of the list names itself as the next one; reading on would never end"}
		}
	}
}

func parsePage(op string, body []byte) (*Page, error) {
	doc := gjson.ParseBytes(body)
	content, next := doc.Get("content"), doc.Get("next.href")
	if !gjson.ValidBytes(body) || !content.IsArray() || next.Exists() && next.Type != gjson.String {
		return nil, badResponse(op, "want a list with content")
	}
	page := &Page{Next: next.Str}
	bad := false
	content.ForEach(func(_, v gjson.Result) bool {
		bad = !v.IsObject()
		page.Records = append(page.Records, []byte(v.Raw))
		return !bad
	})
	if bad {
		return nil, badResponse(op, "want a list of records")
	}
	return page, nil
}

// forced is a link that asks for paging, which one that Campaign hands out may
// have lost.
func forced(link string) string {
	_, query, has := strings.Cut(link, "?")
	switch {
	case !has:
		return link + "?_forcePagination=true"
	case !strings.Contains(query, "_forcePagination="):
		return link + "&_forcePagination=true"
	}
	return link
}

// escape encodes for a query: %20, never + (§4.6).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
