package dataverse

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
)

// edmType is the type of a column in CSDL.
func (c *Column) edmType() string {
	switch c.Type {
	case "Uniqueidentifier", "Lookup", "Owner", "Customer":
		return "Edm.Guid"
	case "Boolean":
		return "Edm.Boolean"
	case "Integer", "Picklist", "State", "Status":
		return "Edm.Int32"
	case "BigInt":
		return "Edm.Int64"
	case "Money", "Decimal":
		return "Edm.Decimal"
	case "Double":
		return "Edm.Double"
	case "DateTime":
		if c.Behavior == "DateOnly" {
			return "Edm.Date"
		}
		return "Edm.DateTimeOffset"
	}
	return "Edm.String"
}

const csdlFunctions = `<ComplexType Name="WhoAmIResponse"><Property Name="BusinessUnitId" Type="Edm.Guid" Nullable="false" /><Property Name="UserId" Type="Edm.Guid" Nullable="false" /><Property Name="OrganizationId" Type="Edm.Guid" Nullable="false" /></ComplexType>
<Function Name="WhoAmI"><ReturnType Type="mscrm.WhoAmIResponse" Nullable="false" /></Function>
<ComplexType Name="RetrieveVersionResponse"><Property Name="Version" Type="Edm.String" /></ComplexType>
<Function Name="RetrieveVersion"><ReturnType Type="mscrm.RetrieveVersionResponse" Nullable="false" /></Function>
<ComplexType Name="EntityRecordCountCollection"><Property Name="Count" Type="Edm.Int32" Nullable="false" /><Property Name="IsReadOnly" Type="Edm.Boolean" Nullable="false" /><Property Name="Keys" Type="Collection(Edm.String)" /><Property Name="Values" Type="Collection(Edm.Int64)" Nullable="false" /></ComplexType>
<ComplexType Name="RetrieveTotalRecordCountResponse"><Property Name="EntityRecordCountCollection" Type="mscrm.EntityRecordCountCollection" /></ComplexType>
<Function Name="RetrieveTotalRecordCount"><Parameter Name="EntityNames" Type="Collection(Edm.String)" Nullable="false" Unicode="false" /><ReturnType Type="mscrm.RetrieveTotalRecordCountResponse" Nullable="false" /></Function>
`

// csdl serves $metadata: the entity types, their keys and navigation properties, and the
// functions that are served.
func (s *Server) csdl(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="crmbaseentity" Abstract="true" />
<EntityType Name="principal" BaseType="mscrm.crmbaseentity"><Key><PropertyRef Name="ownerid" /></Key><Property Name="ownerid" Type="Edm.Guid" /></EntityType>
`)
	for _, name := range s.order {
		s.names[name].csdl(&b)
	}
	b.WriteString(csdlFunctions + `<EntityContainer Name="System">` + "\n")
	for _, name := range s.order {
		t := s.names[name]
		fmt.Fprintf(&b, `<EntitySet Name="%s" EntityType="Microsoft.Dynamics.CRM.%s">`, t.EntitySet, t.LogicalName)
		for _, nav := range t.navigations() {
			if to := s.names[nav.to]; to != nil {
				fmt.Fprintf(&b, `<NavigationPropertyBinding Path="%s" Target="%s" />`, nav.name, to.EntitySet)
			}
		}
		b.WriteString("</EntitySet>\n")
	}
	for _, name := range []string{"WhoAmI", "RetrieveVersion", "RetrieveTotalRecordCount"} {
		fmt.Fprintf(&b, `<FunctionImport Name="%s" Function="Microsoft.Dynamics.CRM.%s" />`, name, name)
	}
	b.WriteString("</EntityContainer>\n</Schema>\n</edmx:DataServices></edmx:Edmx>\n")
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write([]byte(b.String()))
}

type navigation struct {
	name, to, column, partner string
	many                      bool
}

// navigations are the navigation properties of a table, each name once.
func (t *table) navigations() []navigation {
	var out []navigation
	add := func(n navigation) {
		if !slices.ContainsFunc(out, func(have navigation) bool { return have.name == n.name }) {
			out = append(out, n)
		}
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		for _, l := range c.Targets {
			to := t.server.names[l.Table]
			n := navigation{name: l.Nav, to: l.Table, column: c.property()}
			if c.Type == "Owner" {
				n.to, n.column = "principal", ""
			} else if to != nil {
				if many, ok := to.backward(t.relationship(l)); ok && many.from == t {
					n.partner = many.name
				}
			}
			add(n)
		}
	}
	for _, many := range t.back {
		add(navigation{name: many.name, to: many.from.LogicalName, partner: many.nav, many: true})
	}
	return out
}

func (t *table) csdl(b *strings.Builder) {
	fmt.Fprintf(b, `<EntityType Name="%s" BaseType="mscrm.crmbaseentity"><Key><PropertyRef Name="%s" /></Key>`+"\n", t.LogicalName, t.Key)
	for i := range t.Columns {
		c := &t.Columns[i]
		more := ""
		if c.edmType() == "Edm.String" {
			more = ` Unicode="false"`
		}
		if c.MaxLength > 0 {
			more = fmt.Sprintf(` MaxLength="%d"`, c.MaxLength) + more
		}
		if c.edmType() == "Edm.Decimal" {
			more = ` Scale="Variable"`
		}
		fmt.Fprintf(b, `<Property Name="%s" Type="%s"%s />`+"\n", html.EscapeString(c.property()), c.edmType(), more)
	}
	for _, n := range t.navigations() {
		kind, partner := "mscrm."+n.to, ""
		if n.many {
			kind = "Collection(" + kind + ")"
		}
		if n.partner != "" {
			partner = ` Partner="` + n.partner + `"`
		}
		fmt.Fprintf(b, `<NavigationProperty Name="%s" Type="%s"%s>`, n.name, kind, partner)
		if to := t.server.names[n.to]; !n.many && n.column != "" && to != nil {
			fmt.Fprintf(b, `<ReferentialConstraint Property="%s" ReferencedProperty="%s" />`, n.column, to.Key)
		}
		b.WriteString("</NavigationProperty>\n")
	}
	b.WriteString("</EntityType>\n")
}
