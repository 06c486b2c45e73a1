package dataverse

import (
	"context"

	"github.com/tidwall/gjson"
)

// Depth is how far a privilege reaches.
type Depth string

// DepthOrganization is that of all rows of the organisation; the others are Basic, Local
// and Deep.
const DepthOrganization Depth = "Global"

// Privilege is one that a table knows.
type Privilege struct {
	ID   string
	Name string // prvReadContact
	Kind string // Create, Read, Write, Delete, Append, AppendTo, Assign, Share
}

// Version is that of the service, such as 9.2.24011.00155. Dynamics 365 Online is at 9.2
// or later; what runs on customers' own servers stays below.
func (c *Client) Version(ctx context.Context) (string, error) {
	const op = "read the version"
	res, err := c.get(ctx, op, c.api+"/RetrieveVersion()", "")
	if err != nil {
		return "", err
	}
	version := gjson.GetBytes(res.Body, "Version").String()
	if version == "" {
		return "", badResponse(op, "want a Version")
	}
	return version, nil
}

// UserPrivileges are those that the roles and teams of a user give, by their ids, each with
// its depth.
func (c *Client) UserPrivileges(ctx context.Context, user string) (map[string]Depth, error) {
	const op = "read our privileges"
	res, err := c.get(ctx, op, c.api+"/systemusers("+escape(user)+")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()", "")
	if err != nil {
		return nil, err
	}
	list := gjson.GetBytes(res.Body, "RolePrivileges")
	if !list.IsArray() {
		return nil, badResponse(op, "want RolePrivileges")
	}
	out := map[string]Depth{}
	list.ForEach(func(_, p gjson.Result) bool {
		id, depth := p.Get("PrivilegeId").String(), Depth(p.Get("Depth").String())
		if out[id] != DepthOrganization {
			out[id] = depth
		}
		return true
	})
	return out, nil
}

// TablePrivileges are those that a table knows. An activity table has those of all
// activities.
func (c *Client) TablePrivileges(ctx context.Context, logicalName string) ([]Privilege, error) {
	op := "read the privileges of " + logicalName
	res, err := c.get(ctx, op, c.api+"/EntityDefinitions(LogicalName='"+escape(logicalName)+"')?$select=LogicalName,Privileges", "")
	if err != nil {
		return nil, err
	}
	list := gjson.GetBytes(res.Body, "Privileges")
	if !list.IsArray() {
		return nil, badResponse(op, "want Privileges")
	}
	var out []Privilege
	list.ForEach(func(_, p gjson.Result) bool {
		out = append(out, Privilege{ID: p.Get("PrivilegeId").String(), Name: p.Get("Name").String(), Kind: p.Get("PrivilegeType").String()})
		return true
	})
	return out, nil
}
