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
	return c.page(ctx, r, link+"?"+strings.Join(query, "&"))
}

// Follow reads the page behind a Next link, passed back as it came, with
// _forcePagination where the link has lost it. ReasonForeignLink when it leads
// to another host.
func (c *Client) Follow(ctx context.Context, r Resource, link string) (*Page, error) {
	u, err := transport.SameOrigin(c.base, link)
	if err != nil {
		if e, ok := errors.AsType[*apierr.Error](err); ok {
			e.Service, e.Op = service, "list "+r.Name
		}
		return nil, err
	}
	if !strings.Contains(u.RawQuery, "_forcePagination=") {
		separator := "?"
		if strings.Contains(link, "?") {
			separator = "&"
		}
		link += separator + "_forcePagination=true"
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

// escape encodes for a query: %20, never + (§4.6).
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
