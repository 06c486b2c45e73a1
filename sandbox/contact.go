package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const (
	contacts = "/dynamics/tables/contacts"
	profiles = "/campaign/resources/profile"
)

func newEdit() *cobra.Command {
	cmd := &cobra.Command{Use: "edit", Short: "Change a record as somebody at work in Dynamics or Campaign would"}
	cmd.AddCommand(
		newEditOf("contact", contacts, "Change a contact in Dynamics; without an id, the first one",
			`  sandbox edit contact --set jobtitle=Captain --set address1_city=Farsund
  sandbox edit contact 6f1d… --set statecode=1 --set emailaddress1=null`),
		newEditOf("profile", profiles, "Change a profile in Campaign; without an id, that of the first contact",
			`  sandbox edit profile --set blackListEmail=true
  sandbox edit profile 6f1d… --set firstName=Ann`))
	return cmd
}

func newEditOf(what, folder, short, example string) *cobra.Command {
	var a admin
	var set []string
	cmd := &cobra.Command{
		Use: what + " [id]", Short: short, Example: example,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return edit(cmd.Context(), cmd.OutOrStdout(), &a, what, folder, strings.Join(args, ""), set)
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "column=value; value is JSON (null, true, 3) or plain text (repeatable)")
	a.flag(cmd.Flags())
	return cmd
}

// edit changes a record and prints what is different then. A profile has the id
// of its contact.
func edit(ctx context.Context, out io.Writer, a *admin, what, folder, id string, set []string) error {
	values, err := parseSet(set)
	if err != nil {
		return err
	}
	if id == "" {
		if id, err = firstContact(ctx, a); err != nil {
			return err
		}
	}
	path := folder + "/" + url.PathEscape(id)
	var before, after map[string]any
	if err := a.call(ctx, http.MethodGet, path, nil, &before); err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	if err := a.call(ctx, http.MethodPatch, path, values, &after); err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	fmt.Fprintf(out, "%s %s\n", what, id)
	for _, column := range slices.Sorted(maps.Keys(after)) {
		if was, is := show(before[column]), show(after[column]); was != is {
			fmt.Fprintf(out, "  %s: %s -> %s\n", column, was, is)
		}
	}
	return nil
}

func firstContact(ctx context.Context, a *admin) (string, error) {
	var list struct {
		First string `json:"first"`
	}
	if err := a.call(ctx, http.MethodGet, contacts, nil, &list); err != nil {
		return "", err
	}
	if list.First == "" {
		return "", inputError("there is no contact; add one with `sandbox add contact`")
	}
	return list.First, nil
}

// parseSet reads column=value pairs.
func parseSet(set []string) (map[string]any, error) {
	if len(set) == 0 {
		return nil, inputError("--set: want at least one column=value, such as --set jobtitle=Captain")
	}
	values := make(map[string]any, len(set))
	for _, pair := range set {
		column, text, ok := strings.Cut(pair, "=")
		if !ok || column == "" {
			return nil, inputError("--set: got %q, want column=value", pair)
		}
		values[column] = literal(text)
	}
	return values, nil
}

// literal is JSON where the text is JSON, but not an object or array; else the
// text itself. Leading zeros and signs stay text, as in a postal code.
func literal(text string) any {
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return text
	}
	switch v.(type) {
	case map[string]any, []any:
		return text
	}
	return v
}

func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

func newAdd() *cobra.Command {
	var a admin
	var set []string
	contact := &cobra.Command{
		Use: "contact", Short: "Add a contact to Dynamics", Args: cobra.NoArgs,
		Example: `  sandbox add contact --set firstname=Ann --set lastname=Lee --set emailaddress1=ann@example.test`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return addContact(cmd.Context(), cmd.OutOrStdout(), &a, set)
		},
	}
	contact.Flags().StringArrayVar(&set, "set", []string{"firstname=Ann", "lastname=Lee", "emailaddress1=ann.lee@example.test"}, "column=value (repeatable)")
	a.flag(contact.Flags())
	cmd := &cobra.Command{Use: "add", Short: "Add a record as somebody at work in Dynamics would"}
	cmd.AddCommand(contact)
	return cmd
}

func addContact(ctx context.Context, out io.Writer, a *admin, set []string) error {
	values, err := parseSet(set)
	if err != nil {
		return err
	}
	var added struct {
		ID string `json:"id"`
	}
	if err := a.call(ctx, http.MethodPost, contacts, values, &added); err != nil {
		return err
	}
	fmt.Fprintf(out, "contact %s added\n", added.ID)
	return nil
}

func newDelete() *cobra.Command {
	var a admin
	contact := &cobra.Command{
		Use: "contact id", Short: "Delete a contact from Dynamics", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd.Context(), http.MethodDelete, contacts+"/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return fmt.Errorf("contact %s: %w", args[0], err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "contact %s deleted\n", args[0])
			return err
		},
	}
	a.flag(contact.Flags())
	cmd := &cobra.Command{Use: "delete", Short: "Delete a record as somebody at work in Dynamics would"}
	cmd.AddCommand(contact)
	return cmd
}

func newShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Print what a sandbox holds"}
	for _, c := range []struct{ use, short, path string }{
		{"profile key", "Print a profile of Campaign; the key is the contact's id", "/campaign/resources/profile/"},
		{"contact id", "Print a contact of Dynamics", contacts + "/"},
	} {
		var a admin
		sub := &cobra.Command{Use: c.use, Short: c.short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, c.path+url.PathEscape(args[0]))
		}}
		a.flag(sub.Flags())
		cmd.AddCommand(sub)
	}
	var a admin
	meter := &cobra.Command{Use: "meter", Short: "Print Campaign's engine calls by kind", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, "/campaign/meter")
	}}
	a.flag(meter.Flags())
	cmd.AddCommand(meter)
	return cmd
}

func printJSON(ctx context.Context, out io.Writer, a *admin, path string) error {
	var doc any
	if err := a.call(ctx, http.MethodGet, path, nil, &doc); err != nil {
		return err
	}
	return printDoc(out, doc)
}

func printDoc(out io.Writer, doc any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}
