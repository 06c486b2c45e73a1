package campaign

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// ResourceName is a resource of an API, without its fields.
type ResourceName struct{ Name, Label string }

// Resources lists the resources that an API serves, by name (§2.1).
func (c *Client) Resources(ctx context.Context, api string) ([]ResourceName, error) {
	op := "list resources of " + api
	res, err := c.do(ctx, call{op: op, method: http.MethodGet, link: c.root + "/" + url.PathEscape(api) + "/"})
	if err != nil {
		return nil, err
	}
	doc := gjson.ParseBytes(res.Body)
	if !gjson.ValidBytes(res.Body) || !doc.IsObject() {
		return nil, badResponse(op, "want the resources by name")
	}
	var out []ResourceName
	doc.ForEach(func(name, r gjson.Result) bool {
		if r.IsObject() { // apiName is none
			label := r.Get("label").String()
			if label == "" {
				label = r.Get("help").String()
			}
			out = append(out, ResourceName{Name: name.String(), Label: label})
		}
		return true
	})
	slices.SortFunc(out, func(a, b ResourceName) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
