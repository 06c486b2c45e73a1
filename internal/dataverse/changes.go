package dataverse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// Query says what to read of an entity set.
type Query struct {
	EntitySet string
	KeyColumn string   // primary key; every entry has it, or an id when deleted
	Select    []string // columns; the key comes back in any case
	Track     bool     // ask for a delta link; excludes Filter and OrderBy
	Filter    string   // OData expression
	OrderBy   string   // OData order, key last
	Labels    bool     // formatted values beside the raw ones
}

// Change is one entry of a page: a row as it is now, or its deletion.
type Change struct {
	Key     string // lower-case GUID
	Version string // digits of the ETag; comparable for equality only
	Deleted bool
	Raw     []byte // the JSON object as received; nil when Deleted
}

// Page is one response. However few changes it holds, a tracked page has exactly
// one of NextLink and DeltaLink: only a DeltaLink ends the reading.
type Page struct {
	Changes             []Change
	NextLink, DeltaLink string
	ServerTime          time.Time
}

// Query reads the first page.
//
// Source: Dataverse Web API, "Query data using the Web API" and "Use change
// tracking to synchronize data".
func (c *Client) Query(ctx context.Context, q Query) (*Page, error) {
	var options []string
	if len(q.Select) > 0 {
		options = append(options, "$select="+strings.Join(q.Select, ","))
	}
	if q.Filter != "" {
		options = append(options, "$filter="+escape(q.Filter))
	}
	if q.OrderBy != "" {
		options = append(options, "$orderby="+escape(q.OrderBy))
	}
	link := c.api + "/" + q.EntitySet
	if len(options) > 0 {
		link += "?" + strings.Join(options, "&")
	}
	return c.read(ctx, "read "+q.EntitySet, link, q, asItIs)
}

// Follow reads the page behind a next or delta link, passed back unread.
// ReasonLinkExpired calls for a new baseline: also for a link to another host, to
// which nothing is sent. Pages hand out no such link, so it is from before the
// address of the organisation was changed. ReasonLinkRepeated ends a reading that
// would never end.
func (c *Client) Follow(ctx context.Context, q Query, link string) (*Page, error) {
	if _, err := transport.SameOrigin(c.base, link); err != nil {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonLinkExpired, Service: service, Op: "read more of " + q.EntitySet,
			Message: "the position was kept under another address than " + c.base.Host + "; a new baseline is needed"}
	}
	q.Track = false // the link knows
	return c.read(ctx, "read more of "+q.EntitySet, link, q, ofAHandedOutLink)
}

// Get reads one row; ReasonNotFound when it does not exist.
func (c *Client) Get(ctx context.Context, q Query, id string) (*Change, error) {
	op := "read one of " + q.EntitySet
	if !guidForm.MatchString(id) {
		return nil, unsendable(apierr.Rejected, apierr.ReasonInvalidValue, op, "the row's id is not a GUID")
	}
	link := c.api + "/" + q.EntitySet + "(" + id + ")"
	if len(q.Select) > 0 {
		link += "?$select=" + strings.Join(q.Select, ",")
	}
	res, err := c.get(ctx, op, link, c.prefer(q, false))
	if err != nil {
		return nil, err
	}
	change, ok := parseRow(res.Body, q.KeyColumn)
	if !ok || change.Key != strings.ToLower(id) {
		return nil, badResponse(op, "want the row with this id")
	}
	return &change, nil
}

// idsPerQuery keeps a GET well below 32,768 characters.
const idsPerQuery = 400

// ByIDs reads the rows of ids that exist, in as many requests as their number calls for.
func (c *Client) ByIDs(ctx context.Context, q Query, ids []string) (*Page, error) {
	all := &Page{}
	for _, id := range ids {
		if !guidForm.MatchString(id) {
			return nil, unsendable(apierr.Rejected, apierr.ReasonInvalidValue, "read some of "+q.EntitySet, "a row's id is not a GUID")
		}
	}
	for len(ids) > 0 {
		n := min(idsPerQuery, len(ids))
		q.Filter = fmt.Sprintf(`Microsoft.Dynamics.CRM.In(PropertyName='%s',PropertyValues=["%s"])`, q.KeyColumn, strings.Join(ids[:n], `","`))
		page, err := c.Query(ctx, q)
		for read := map[string]bool{}; err == nil; {
			all.Changes = append(all.Changes, page.Changes...)
			all.ServerTime = page.ServerTime
			if page.NextLink == "" {
				break
			}
			if read[page.NextLink] {
				return nil, linkRepeated("read some of " + q.EntitySet)
			}
			read[page.NextLink] = true
			page, err = c.Follow(ctx, q, page.NextLink)
		}
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return all, nil
}

func (c *Client) prefer(q Query, collection bool) string {
	var p []string
	if q.Track {
		p = append(p, "odata.track-changes")
	}
	if collection { // must be repeated on every page
		p = append(p, fmt.Sprintf("odata.maxpagesize=%d", c.pageSize))
	}
	if q.Labels {
		p = append(p, `odata.include-annotations="OData.Community.Display.V1.FormattedValue"`)
	}
	return strings.Join(p, ",")
}

// read reads one page. One that names itself as the next is read once more, as
// that may have come from a cache; when it does so again, it would do so for ever.
func (c *Client) read(ctx context.Context, op, link string, q Query, judge judgement) (*Page, error) {
	for try := 1; ; try++ {
		page, err := c.readOnce(ctx, op, link, q, judge)
		switch {
		case err != nil:
			return nil, err
		case page.NextLink != link:
			return page, nil
		case try > 1:
			return nil, linkRepeated(op)
		}
	}
}

func linkRepeated(op string) *apierr.Error {
	return &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonLinkRepeated, Service: service, Op: op, Status: http.StatusOK,
		Message: "a page names itself, or one before it, as the next one; reading on would never end"}
}

func (c *Client) readOnce(ctx context.Context, op, link string, q Query, judge judgement) (*Page, error) {
	res, err := c.getAs(ctx, op, link, c.prefer(q, true), judge)
	if err != nil {
		return nil, err
	}
	page, err := parsePage(op, res.Body, q.KeyColumn)
	if err != nil {
		return nil, err
	}
	if q.Track && page.NextLink == "" && page.DeltaLink == "" {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonNotTracked, Service: service, Op: op, Status: http.StatusOK,
			Message: q.EntitySet + " was read to the end without a delta link; enable change tracking for the table"}
	}
	for _, handedOut := range []string{page.NextLink, page.DeltaLink} {
		if handedOut == "" {
			continue
		}
		if _, err := transport.SameOrigin(c.base, handedOut); err != nil {
			return nil, c.foreign(q.EntitySet, err)
		}
	}
	c.odd.Ends(linksOf + q.EntitySet)
	page.ServerTime = serverTime(res.Header)
	return page, nil
}

const linksOf = "links of "

// foreign weighs a page that leads to another host. Nothing is sent there and the
// page is not used, so it may pass like any other answer that nobody expects.
func (c *Client) foreign(set string, err error) error {
	fail, ok := errors.AsType[*apierr.Error](err)
	if !ok {
		return err
	}
	fail.Service, fail.Op, fail.Status = service, linksOf+set, http.StatusOK
	if fail.Lasted = c.odd.Lasts(fail.Op, fail.Message); !fail.Lasted {
		fail.Class = apierr.Retryable
	}
	return fail
}

// parsePage scans a page without decoding its rows; they are parts of body.
func parsePage(op string, body []byte, key string) (*Page, error) {
	if !gjson.ValidBytes(body) {
		return nil, badResponse(op, "the answer is not JSON, or broke off")
	}
	page := &Page{}
	bad := false
	seen := false
	gjson.ParseBytes(body).ForEach(func(name, v gjson.Result) bool {
		switch name.Str {
		case "@odata.nextLink":
			page.NextLink, bad = v.Str, bad || v.Str == ""
		case "@odata.deltaLink":
			page.DeltaLink, bad = v.Str, bad || v.Str == ""
		case "value":
			seen = v.IsArray()
			v.ForEach(func(_, row gjson.Result) bool {
				change, ok := parseChange(row, key)
				bad = bad || !ok
				page.Changes = append(page.Changes, change)
				return ok
			})
		}
		return true
	})
	if bad || !seen {
		return nil, badResponse(op, "want a list of rows, each with its key")
	}
	return page, nil
}

// parseRow reads the one row of an answer.
func parseRow(body []byte, key string) (Change, bool) {
	if !gjson.ValidBytes(body) {
		return Change{}, false
	}
	change, ok := parseChange(gjson.ParseBytes(body), key)
	return change, ok && !change.Deleted
}

const deletedContext = "/$deletedEntity"

func parseChange(row gjson.Result, key string) (Change, bool) {
	var c Change
	var id string
	row.ForEach(func(name, v gjson.Result) bool {
		switch name.Str {
		case key:
			c.Key = strings.ToLower(v.String())
		case "@odata.etag":
			c.Version = strings.Trim(strings.TrimPrefix(v.String(), "W/"), `"`)
		case "@odata.context":
			c.Deleted = c.Deleted || strings.HasSuffix(v.Str, deletedContext)
		case "reason":
			c.Deleted = c.Deleted || v.Str == "deleted"
		case "id":
			id = v.Str
		}
		return true
	})
	if c.Deleted {
		c.Key, c.Raw = strings.ToLower(id), nil
	} else {
		c.Raw = []byte(row.Raw)
	}
	return c, c.Key != ""
}
