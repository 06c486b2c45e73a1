package dataverse

import (
	"context"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// TableName is a table of the organisation, without its columns.
type TableName struct {
	LogicalName, DisplayName string
	ChangeTrackingEnabled    bool
}

const tableSelect = "$select=LogicalName,DisplayName,EntitySetName,ChangeTrackingEnabled"

// Tables lists the tables of the organisation that have a collection, by logical name. The
// service gives them all in one answer.
func (c *Client) Tables(ctx context.Context) ([]TableName, error) {
	const op = "list tables"
	res, err := c.get(ctx, op, c.api+"/EntityDefinitions?"+tableSelect, "")
	if err != nil {
		return nil, err
	}
	list := gjson.GetBytes(res.Body, "value")
	if !gjson.ValidBytes(res.Body) || !list.IsArray() {
		return nil, badResponse(op, "want a list of tables")
	}
	var out []TableName
	list.ForEach(func(_, t gjson.Result) bool {
		if name := t.Get("LogicalName").String(); name != "" && t.Get("EntitySetName").String() != "" {
			out = append(out, TableName{LogicalName: name, DisplayName: displayName(t), ChangeTrackingEnabled: t.Get("ChangeTrackingEnabled").Bool()})
		}
		return true
	})
	slices.SortFunc(out, func(a, b TableName) int { return strings.Compare(a.LogicalName, b.LogicalName) })
	return out, nil
}

// displayName is what people call a table or a column; "" when nobody named it.
func displayName(doc gjson.Result) string {
	for _, path := range []string{"DisplayName.UserLocalizedLabel.Label", "DisplayName.LocalizedLabels.0.Label"} {
		if s := doc.Get(path).String(); s != "" {
			return s
		}
	}
	return ""
}
